"""``feed.xml``: one Atom entry (RFC 4287) per run that changed something."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID, uuid5
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from counterfault.figures.wording import clip, plain, value_and_limits
from counterfault.publish.site.entries import FAILURE, FIRST, Entry, State, Study, changed
from counterfault.publish.site.state import page_of
from counterfault.publish.site.summarising import answer_of, estimate_of_entry

ATOM = "http://www.w3.org/2005/Atom"
# The names are made from study and run, so that they stay the same wherever the site is served from.
NAMESPACE = UUID("6f0a8f0e-6d0c-5f3c-9b57-3d6a1f0f7c11")
BEFORE_ANY_RUN = "1970-01-01T00:00:00+00:00"


class News(NamedTuple):
    """A run that changed something, and what."""

    study: Study
    entry: Entry
    new: tuple[str, ...]


def feed_xml(state: State) -> str:
    """The feed, newest first; without times of its own, so the same runs give the same bytes."""
    news = sorted(news_of(state), key=lambda each: (each.entry.when, each.study.slug, each.entry.run), reverse=True)
    feed = Element("feed", {"xmlns": ATOM, "xml:lang": "en"})
    _text(feed, "id", state.id)
    _text(feed, "title", "Counterfault: studies and their answers")
    _text(feed, "updated", news[0].entry.ended if news else BEFORE_ANY_RUN)
    _text(SubElement(feed, "author"), "name", "Counterfault")
    SubElement(feed, "link", {"rel": "self", "type": "application/atom+xml", "href": "feed.xml"})
    SubElement(feed, "link", {"rel": "alternate", "type": "text/html", "href": "index.html"})
    for each in news:
        _add_entry(feed, each)
    ElementTree.indent(feed, " ")
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(feed, encoding="unicode") + "\n"


def news_of(state: State) -> Iterator[News]:
    """The runs of all studies in which a call, a grade or a plan is new, and those that came first or failed."""
    for study in state.studies:
        new = changed(study.runs)
        for entry in study.runs:
            told = tuple(word for word in new[entry.run] if word != "deviations")
            if told:
                yield News(study, entry, told)


def _add_entry(feed: Element, news: News) -> None:
    entry = SubElement(feed, "entry")
    _text(entry, "id", entry_id(news.study.name, news.entry.run))
    _text(entry, "title", f"{clip(news.study.name, 80)}: {_headline(news)}")
    _text(entry, "updated", news.entry.ended)
    address = page_of(news.study.slug, news.entry.run)
    SubElement(entry, "link", {"rel": "alternate", "type": "text/html", "href": address})
    _text(entry, "summary", _summary(news))


def _headline(news: News) -> str:
    if news.new == (FAILURE,):
        return "a run failed"
    told = answer_of(news.entry).words
    others = [word for word in news.new if word in ("grade", "plan")]
    return told + (f" (new {' and '.join(others)})" if others else "")


def _summary(news: News) -> str:
    entry = news.entry
    if not entry.complete:
        stopped = f"Notebook {entry.failed_notebooks[0]} did not finish. " if entry.failed_notebooks else ""
        return f"{stopped}The last good answer stays."
    what = "The first run." if FIRST in news.new else f"New since the run before: {', '.join(news.new)}."
    estimate = estimate_of_entry(entry)
    size = f" {estimate.estimand.label.capitalize()}: {value_and_limits(estimate)}." if estimate else ""
    return f"{answer_of(entry).words}.{size} Grade {entry.grade}. {what}"


def entry_id(study: str, run: str) -> str:
    """A name for one run that no other site and no other run has, and that a second publish gives again."""
    return uuid5(NAMESPACE, f"{study}\n{run}").urn


def site_id(first: tuple[str, str]) -> str:
    """A name for the site, made from the first run it ever held; the site then keeps it."""
    return uuid5(NAMESPACE, "site\n" + "\n".join(first)).urn


def _text(parent: Element, name: str, words: str) -> None:
    SubElement(parent, name).text = plain(words)
