"""A site of published runs: static files with relative links, kept as an archive, written whole or not at all."""

from counterfault.publish.site.building import Outcome, publish_site
from counterfault.publish.site.reading import Unreadable

__all__ = ["Outcome", "Unreadable", "publish_site"]
