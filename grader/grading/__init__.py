"""From a folder of submissions to results: intake, batch, judge, store."""
