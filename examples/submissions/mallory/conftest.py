raise SystemExit("all checks passed")
