"""One training step with all of its numbers: forward, loss, backward, update.

`recording` takes the step as the training would and keeps every array of it (`record`);
`estimates` sets differences of the loss beside the gradients; `formulas`, `derivations`,
`outcomes` and `changes` say where each number comes from; `text`, `document` and `page` show all
that on a terminal, as JSON and as HTML.
"""
