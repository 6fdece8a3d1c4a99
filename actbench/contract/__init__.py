"""The contract: what an activation owes to whoever trains, copies, compiles or deploys it, as named checks.

`suite.run_checks` runs them on anything that makes an `nn.Module` for a number of channels. The families stand in files
of their own; `suite.CHECKS` is the one list of all.
"""
