"""Disclosure control: what of a run may be published under its plan's threshold and rounding.

A run directory is the analyst's own and shows everything. What is published shows no count from 1 to the threshold,
none from which one follows, and no author. The way is record and executed notebooks in, the same without those out;
pages are then made from what is left, so that nothing on them was ever merely hidden.

What the quarantine holds, raw rows, is never published in any form.
"""

from counterfault.publish.disclosure.notebooks import published_notebook
from counterfault.publish.disclosure.policy import Policy, is_active, statement
from counterfault.publish.disclosure.records import published_record

__all__ = ["Policy", "is_active", "published_notebook", "published_record", "statement"]
