"""What the tool that counts lines says, and when it fails."""

import pytest

from tools import size


@pytest.fixture
def house(tmp_path):
    for name in ("tlkit/fit/loop.py", "tlkit_lessons/nb13_stages.py"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("pass\n" * 250)
    return tmp_path


def test_both_floors_are_within_their_limits(capsys):
    assert size.main() == 0
    assert "tlkit: " in (said := capsys.readouterr().out) and "tlkit_lessons: " in said


def test_a_module_of_a_page_may_be_longer(house, capsys):
    page = house / "tlkit_lessons" / "nb13_stages.py"
    page.write_text("pass\n" * 300)
    assert size.main(house) == 0
    assert capsys.readouterr().out == "tlkit: 250 lines in 1 files\ntlkit_lessons: 300 lines in 1 files\n"
    page.write_text("pass\n" * 301)
    assert size.main(house) == 1
    assert "tlkit_lessons/nb13_stages.py: 301 lines, 300 at most" in capsys.readouterr().out


def test_a_module_and_the_engine_have_a_limit(house, monkeypatch, capsys):
    (house / "tlkit" / "fit" / "loop.py").write_text("pass\n" * 251)
    assert size.main(house) == 1
    assert "tlkit/fit/loop.py: 251 lines, 250 at most" in capsys.readouterr().out
    (house / "tlkit" / "fit" / "loop.py").write_text("pass\n" * 200)
    monkeypatch.setattr(size, "ENGINE", 199)
    assert size.main(house) == 1
    assert "tlkit: 200 lines, 199 at most" in capsys.readouterr().out
