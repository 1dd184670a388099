"""How well web search answers: a site of real documentation with planted facts, and the questions for them."""
