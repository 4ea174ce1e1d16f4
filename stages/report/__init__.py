"""One HTML page, one Markdown page, and the metrics that git keeps."""
