"""Files of pipelines, and reports of what they did. Pure: data in, text out."""
