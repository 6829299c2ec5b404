"""How long code takes: paired measurement with confidence intervals."""
