"""Making a model smaller and faster in fewer bits, with its accuracy measured."""
