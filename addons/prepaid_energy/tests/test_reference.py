from odoo.tests import BaseCase, tagged

from ..models import reference


@tagged("post_install", "-at_install")
class TestReference(BaseCase):
    def test_the_check_digits_are_those_of_the_standard(self):
        """The example of ISO 11649, as banks print it."""
        self.assertTrue(reference.is_checked("RF18 5390 0754 7034"))
        self.assertEqual(
            reference.with_check_digits("539007547034"), "RF18539007547034"
        )
        self.assertEqual(reference.with_check_digits("A" * 22), "A" * 22, "too long")

    def test_each_wrong_digit_and_each_swap_is_found(self):
        right = reference.with_check_digits("EW004711")
        for at in range(2, len(right)):
            for sign in "0123456789":
                wrong = right[:at] + sign + right[at + 1 :]
                if wrong != right:
                    self.assertFalse(reference.is_checked(wrong), wrong)
        for at in range(4, len(right) - 1):
            wrong = right[:at] + right[at + 1] + right[at] + right[at + 2 :]
            if wrong != right:
                self.assertFalse(reference.is_checked(wrong), wrong)

    def test_people_write_spaces_dashes_and_small_letters(self):
        right = reference.with_check_digits("EW004711")
        for text in (
            right,
            right.lower(),
            "RF" + right[2:4] + " EW00 4711",
            f"Top-up {right[:4]}-{right[4:]}, thank you",
            f"/{right}/June 2026",
            " ".join(right[at : at + 2] for at in range(0, len(right), 2)),
        ):
            self.assertIn(right, reference.read(text), text)

    def test_a_longer_number_is_another_reference(self):
        self.assertNotIn("EW000001", reference.read("EW0000012"))
        self.assertEqual(reference.read(None), set())
        self.assertLess(len(reference.read("a " * 100000)), 100)
