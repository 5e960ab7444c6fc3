"""What messages say, by rule, channel and language: Jinja2 templates, in a sandbox.

A template is looked for as ``<language>/<channel>/<rule>.j2``, then ``<language>/<channel>.j2``;
the sentence on what is wrong as ``<language>/problem/<rule>.j2``, then as the device says it.
"""

from app.texts.folder import ignored
from app.texts.saying import FALLBACK, Said, Texts, TextsError

__all__ = ["FALLBACK", "Said", "Texts", "TextsError", "ignored"]
