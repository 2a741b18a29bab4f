"""``bpnet verify``."""

from __future__ import annotations

from bpnet.cli.arguments import Run
from bpnet.cli.console import Console
from bpnet.errors import CheckFailedError


def verify(
    console: Console,
    run: Run,
) -> None:
    """Check every file of a run against its manifest.

    A run that has not ended has no manifest yet: its files are checked by themselves.
    """
    from bpnet.runs import manifest

    verdicts = manifest.verify(run)
    wrong = [verdict for verdict in verdicts if not verdict.sound]
    listed = (run / manifest.MANIFEST).is_file()
    if console.as_json:
        files = [{"path": v.path, "state": v.state, "detail": v.detail} for v in verdicts]
        console.json({"run": str(run), "sound": not wrong, "manifest": listed, "files": files})
    elif not console.quiet:
        console.table(["file", "state", ""], [[v.path, v.state, v.detail] for v in verdicts])
        against = "against its manifest" if listed else "by themselves: the run has not ended"
        console.out(f"\n{len(verdicts)} files checked {against}; {len(wrong)} wrong")
    if wrong:
        named = ", ".join(f"{verdict.path} is {verdict.state}" for verdict in wrong)
        raise CheckFailedError(f"{run}: {named}")
