"""pytest: run the book's notebooks as `llmbook execute` does (see `llmbook.build.nbval_plugin`)."""

pytest_plugins = ["llmbook.build.nbval_plugin"]
