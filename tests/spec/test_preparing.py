"""What an executed notebook must be, and loses, before it becomes a page."""

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from counterfault.publish import UnfitNotebookError, notebook_html, notebook_page
from counterfault.publish.preparing import LARGEST_OUTPUT


def code(source, *outputs, tags=()):
    return new_code_cell(source, outputs=list(outputs), execution_count=1, metadata={"tags": list(tags)})


def shown(**data):
    return new_output("display_data", data={kind.replace("_", "/", 1): value for kind, value in data.items()})


def page_of(*cells):
    return notebook_page(new_notebook(cells=[new_markdown_cell("# Is it fit?"), *cells]), name="mine")


@pytest.mark.parametrize("kind", ["text_html", "text_plain", "text_markdown"])
def test_a_giant_output_is_told_of_and_left_out_and_the_rest_stays(kind):
    giant = "all work and no play " * (10_000_000 // 21)
    page = page_of(code("giant", shown(**{kind: giant})), code("small", shown(text_html="<p>still here</p>")))
    html = notebook_html(page)
    assert "This output holds 10.0 million characters, too many for a page. The executed notebook has it." in html
    assert "still here" in html and "no play" not in html
    assert len(html) < LARGEST_OUTPUT
    assert page.status == "finished"


def test_an_output_just_small_enough_is_shown():
    assert "y" * 1000 in page_of(code("x", shown(text_plain="y" * LARGEST_OUTPUT))).body_html
    assert "y" * 1000 not in page_of(code("x", shown(text_plain="y" * (LARGEST_OUTPUT + 1)))).body_html


def test_a_notebook_without_figures_or_outputs_has_a_page_all_the_same():
    page = page_of(code("1 + 1"))
    assert (page.status, page.excerpts) == ("finished", ())
    assert "<h1>" in notebook_html(page)


@pytest.mark.parametrize(
    "picture", ['<img src="data:image/png;base64,iVBORw0KGgo=">', "<IMG width=9 src=data:image/png;base64,i>"]
)
def test_a_picture_inside_html_needs_words_too(picture):
    with pytest.raises(
        UnfitNotebookError, match=r"begins 'plot\(\)' shows a picture without alternative text"
    ) as refused:
        page_of(code("plot()", shown(text_html=picture)))
    assert (refused.value.notebook, refused.value.cell) == ("mine", "plot()")
    assert (
        page_of(code("plot()", shown(text_html=picture.replace(" src", ' alt="two lines cross" src')))).status
        == "finished"
    )


def test_cells_for_people_are_left_out_and_the_others_keep_their_numbers():
    form = code("form()", shown(text_html="<p>a slider</p>"), tags=["explore"])
    form.execution_count = None  # skipped in a scheduled run
    page = page_of(form, code("result()", shown(text_html="<p>the result</p>")))
    assert "slider" not in page.body_html and "form()" not in page.body_html
    assert page.status == "finished"
    assert 'id="cell-3"' in page.body_html and 'id="cell-2"' not in page.body_html
