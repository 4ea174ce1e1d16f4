"""What everything else uses: errors, files, params, progress, timings, tables of text."""
