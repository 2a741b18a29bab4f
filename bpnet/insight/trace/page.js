"use strict";
(() => {
  const body = document.body;
  const articles = [...document.querySelectorAll("article")];
  const pictures = [...document.querySelectorAll("svg.network")];
  const detail = document.getElementById("detail");
  const back = document.getElementById("back");
  const on = document.getElementById("on");
  const count = document.getElementById("count");
  const choice = document.getElementById("row");
  const scroll = document.querySelector(".scroll");
  const phases = [...document.querySelectorAll("button.phase")];
  let step = 0;
  let row = "0";
  let chosen = "";

  const numbers = (text) => text.split(" ").filter(Boolean).map(Number);

  const show = () => {
    const article = articles[step];
    const { phase, seen, flow } = article.dataset;
    const known = numbers(article.dataset.known);
    const now = numbers(article.dataset.now);
    body.dataset.phase = phase;
    articles.forEach((other) => { other.hidden = other !== article; });
    document.querySelectorAll("[data-row]").forEach((part) => {
      part.toggleAttribute("hidden", part.dataset.row !== row);
      if (part.tagName === "svg") part.style.display = part.dataset.row === row ? "" : "none";
    });
    const middle = pictures.find((picture) => picture.dataset.row === row)
      ?.querySelector(`[data-column="${now[0] ?? 0}"]`)?.getBoundingClientRect();
    if (middle) {
      const frame = scroll.getBoundingClientRect();
      scroll.scrollLeft += (middle.left + middle.right - frame.left - frame.right) / 2;
    }
    pictures.forEach((picture) => {
      picture.querySelectorAll(".column").forEach((column) => {
        const number = Number(column.dataset.column);
        column.classList.toggle("unseen", number >= Number(seen));
        column.classList.toggle("unknown", !known.includes(number));
        column.classList.toggle("now", now.includes(number));
      });
      picture.querySelectorAll("[data-to]").forEach((tie) => {
        const line = tie.classList.contains("edge") ? tie : tie.querySelector(".edge");
        const active = tie.dataset.to === flow;
        line.classList.toggle("flow", active);
        line.classList.toggle("on", active && (phase === "forward" || phase === "loss"));
        line.classList.toggle("back", active && phase === "backward");
      });
    });
    back.disabled = step === 0;
    on.disabled = step === articles.length - 1;
    count.textContent = `${step + 1} / ${articles.length}`;
    phases.forEach((button) => {
      if (button.classList.contains(phase)) button.setAttribute("aria-current", "step");
      else button.removeAttribute("aria-current");
    });
  };

  const go = (to) => {
    step = Math.max(0, Math.min(articles.length - 1, to));
    show();
  };

  const explain = (name) => {
    chosen = name;
    document.querySelectorAll(".chosen").forEach((part) => part.classList.remove("chosen"));
    const template = name && document.querySelector(
      `template[data-detail="${name}"][data-row="${row}"]`);
    detail.replaceChildren();
    detail.hidden = !template;
    if (!template) return;
    document.querySelectorAll(`[data-detail="${name}"]:not(template)`)
      .forEach((part) => part.classList.add("chosen"));
    const close = document.createElement("button");
    close.type = "button";
    close.className = "close";
    close.textContent = "✕";
    close.setAttribute("aria-label", "Close");
    close.addEventListener("click", () => explain(""));
    detail.append(close, template.content.cloneNode(true));
    detail.scrollIntoView({ block: "nearest" });
  };

  document.querySelectorAll(".unit, .link").forEach((part) => {
    part.addEventListener("click", () => explain(part.dataset.detail));
    part.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      explain(part.dataset.detail);
    });
  });
  back.addEventListener("click", () => go(step - 1));
  on.addEventListener("click", () => go(step + 1));
  phases.forEach((button) => {
    button.addEventListener("click", () => go(Number(button.dataset.step)));
  });
  if (choice) {
    choice.addEventListener("change", () => {
      row = choice.value;
      show();
      explain(chosen);
    });
  }
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("select")) return;
    const inside = event.target.closest(".scroll") && !event.target.closest(".unit");
    if (event.key === "ArrowRight" && !inside) go(step + 1);
    else if (event.key === "ArrowLeft" && !inside) go(step - 1);
    else if (event.key === "Home") go(0);
    else if (event.key === "End") go(articles.length - 1);
    else if (event.key === "Escape") explain("");
    else return;
    event.preventDefault();
  });

  body.classList.add("stepping");
  document.getElementById("controls").hidden = false;
  show();
})();
