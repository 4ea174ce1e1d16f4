"""Writes the report as one HTML page, its summary in Markdown, and the metrics that git keeps."""
