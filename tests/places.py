"""Where things are that tests in any folder use."""

from pathlib import Path

TESTS = Path(__file__).parent
ROOT = TESTS.parent
FIXTURES = TESTS / "fixtures"
FAULTY = TESTS / "faulty.py"
