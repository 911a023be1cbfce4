"""Each check of structure.py fails on what it is there to catch, and is silent on its neighbour."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import reviewed  # noqa: E402
import structure  # noqa: E402
from rust_source import code_only  # noqa: E402


class Sample(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def tree(self, files):
        for name, text in files.items():
            path = Path(self.folder.name, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return structure.Tree(self.folder.name)

    def fails(self, problems, *parts):
        problems = list(problems)
        self.assertEqual(len(problems), 1, problems)
        for part in parts:
            self.assertIn(part, problems[0])

    def passes(self, problems):
        self.assertEqual(list(problems), [])


class Files(Sample):
    def test_a_file_over_the_limit(self):
        long = "//! What.\n" + "fn f() {}\n" * 700
        self.fails(structure.file_sizes(self.tree({"a/src/x.rs": long}), {}), "a/src/x.rs", "701")

    def test_a_long_file_that_says_why(self):
        long = "//! What.\n//! Long because it is one table.\n" + "fn f() {}\n" * 700
        self.passes(structure.file_sizes(self.tree({"a/src/x.rs": long}), {}))

    def test_a_file_at_the_limit(self):
        self.passes(structure.file_sizes(self.tree({"x.rs": "//! What.\n" + "\n" * 699}), {}))

    def test_a_file_with_its_own_limit(self):
        tree = self.tree({"ctl/src/main.rs": "//! What.\n" + "fn f() {}\n" * 30})
        self.fails(structure.file_sizes(tree, {"ctl/src/main.rs": 30}), "31 lines")

    def test_a_file_worth_a_note(self):
        tree = self.tree({"x.rs": "//! What.\n" * 401, "y.rs": "//! What.\n" * 400})
        self.assertEqual(structure.long_files(tree), [(401, "x.rs")])

    def test_a_file_that_does_not_say_what_it_is(self):
        self.fails(structure.module_docs(self.tree({"x.rs": "use std::fs;\n"})), "x.rs")
        self.passes(structure.module_docs(self.tree({"x.rs": "//! What.\nuse std::fs;\n"})))

    def test_generated_folders_are_not_ours(self):
        self.passes(structure.module_docs(self.tree({"target/x.rs": "use std::fs;\n", ".venv/y.rs": "use a;\n"})))


class ReviewedWords(Sample):
    def test_unsafe_in_a_file_that_nobody_reviewed(self):
        self.fails(structure.unsafe_code(self.tree({"a.rs": "//! A.\nfn f() { unsafe { g() } }\n"}), {}), "a.rs:2", "UNSAFE")

    def test_unsafe_in_a_reviewed_file(self):
        self.passes(structure.unsafe_code(self.tree({"a.rs": "unsafe fn f() {}\n"}), {"a.rs": "why"}))

    def test_unsafe_in_prose_or_as_part_of_a_word(self):
        text = '//! unsafe\n/* unsafe */ #![deny(unsafe_code)]\nconst A: &str = "unsafe"; const B: &str = r#"unsafe"#;\n'
        self.passes(structure.unsafe_code(self.tree({"a.rs": text}), {}))

    def test_a_reviewed_file_without_need(self):
        self.fails(structure.unsafe_code(self.tree({"a.rs": "fn f() {}\n"}), {"a.rs": "why"}), "without need")
        self.fails(structure.unsafe_code(self.tree({}), {"gone.rs": "why"}), "gone.rs")

    def test_a_secret_that_leaves_its_type(self):
        text = "fn f(s: &SecretString) -> &str { s.expose_secret() }\n"
        self.fails(structure.exposed_secrets(self.tree({"a.rs": text}), {}), "a.rs:1", "EXPOSES_SECRETS")
        self.passes(structure.exposed_secrets(self.tree({"a.rs": text}), {"a.rs": "why"}))

    def test_tests_may_look_at_their_secrets(self):
        self.passes(structure.exposed_secrets(self.tree({"tests/src/a.rs": "s.expose_secret();\n"}), {}))


class OnlyIn(Sample):
    def test_a_command_that_names_the_daemon(self):
        self.fails(structure.only_in(self.tree({"ctl/src/cli/stop.rs": "use bitrouter_daemon::x;\n"})), "ctl/src/cli/stop.rs:1")
        Path(self.folder.name, "ctl/src/cli/stop.rs").unlink()
        self.passes(structure.only_in(self.tree({"ctl/src/local_daemon.rs": "use bitrouter_daemon::x;\n"})))

    def test_a_command_that_names_it_in_prose(self):
        self.passes(structure.only_in(self.tree({"ctl/src/cli/stop.rs": "// bitrouter_daemon does this\n"})))

    def test_sql_in_the_gateway(self):
        self.fails(structure.only_in(self.tree({"gateway/src/a.rs": "sqlx::query(x);\n"})), "gateway/src/a.rs:1")

    def test_a_runtime_in_the_contract(self):
        self.fails(structure.only_in(self.tree({"proto/src/codes.rs": "use tokio::net::X;\n"})), "proto/src/codes.rs:1")
        Path(self.folder.name, "proto/src/codes.rs").unlink()
        self.passes(structure.only_in(self.tree({"proto/src/client/calls.rs": "use tokio::net::X;\n"})))

    def test_sleeping_in_a_test(self):
        self.fails(structure.only_in(self.tree({"tests/tests/agent.rs": "tokio::time::sleep(x).await;\n"})), "sleep")
        self.fails(structure.only_in(self.tree({"tests/tests/agent.rs": "", "tests/sdk/a.py": "time.sleep(1)\n"})), "tests/sdk/a.py:1")

    def test_a_skipped_test(self):
        self.fails(structure.only_in(self.tree({"gateway/src/a.rs": '#[ignore = "later"]\nfn f() {}\n'})), "gateway/src/a.rs:1")
        Path(self.folder.name, "gateway/src/a.rs").unlink()
        self.passes(structure.only_in(self.tree({"tests/tests/soak.rs": '#[ignore = "make soak"]\n'})))

    def test_starting_the_binary_by_hand(self):
        self.fails(structure.only_in(self.tree({"tests/tests/agent.rs": 'Command::new("target/release/bitrouter");\n'})), "harness")

    def test_daemonize_elsewhere(self):
        self.fails(structure.only_in(self.tree({"daemon/src/lib.rs": "use daemonize::Daemonize;\n"})), "daemon/src/lib.rs:1")


class Words(Sample):
    def test_a_path_of_somebodys_machine(self):
        self.fails(structure.foreign_words(self.tree({"README.md": "see /workspace/notes\n"})), "README.md:1")
        self.fails(structure.foreign_words(self.tree({"README.md": "in /home/jane/src/\n"})), "README.md:1")
        self.passes(structure.foreign_words(self.tree({"README.md": "framework/x, a/work/b, /home/alice/x, /home/$USER/\n"})))

    def test_a_private_registry(self):
        self.fails(structure.foreign_words(self.tree({"a.toml": 'url = "https://crates.example.corp/x"\n'})), "a.toml:1")
        self.fails(structure.foreign_words(self.tree({"a.toml": "# see pip.conf\n"})), "a.toml:1")

    def test_the_session_in_which_it_was_written(self):
        self.fails(structure.foreign_words(self.tree({"x.rs": "//! Written by a subagent.\n"})), "x.rs:1")

    def test_an_error_text_that_is_a_sentence(self):
        self.fails(structure.error_texts(self.tree({"a.rs": 'enum E {\n#[error("Could not open")]\nA }\n'})), "a.rs:2")
        self.fails(structure.error_texts(self.tree({"a.rs": '#[error("could not open.")]\n'})), "a.rs:1")
        self.passes(structure.error_texts(self.tree({"a.rs": '#[error("`HOME` is not set")]\n#[error("HTTP {0}")]\n'})))


def package(name, *dependencies):
    return {"name": name, "dependencies": [{"kind": None, "optional": False, **each} for each in dependencies]}


class Crates(Sample):
    def test_a_dependency_against_the_direction(self):
        packages = [package("p"), package("g", {"name": "p"}), package("d", {"name": "g"}, {"name": "serde"})]
        allowed = {"p": set(), "g": {"p"}, "d": {"g", "p"}}
        self.passes(structure.direction(packages, allowed))
        packages[1] = package("g", {"name": "d", "kind": "dev"})
        self.fails(structure.direction(packages, allowed), "g: must not depend on d")

    def test_a_crate_that_nobody_placed(self):
        self.fails(structure.direction([package("x")], {}), "x: a new crate")

    def test_the_real_table_has_no_cycle(self):
        def reach(name, seen=()):
            self.assertNotIn(name, seen)
            # A crate that names itself asks for a feature in its own tests: no way back to it.
            for each in reviewed.DIRECTION[name] - {name}:
                reach(each, (*seen, name))

        for name in reviewed.DIRECTION:
            reach(name)

    def test_a_name_that_a_manifest_must_not_have(self):
        self.fails(structure.own_manifests([package("c", {"name": "axum"})], {"c": {"axum"}}, {}), "axum")
        self.fails(structure.own_manifests([package("c", {"name": "chrono"})], {"*": {"chrono"}}, {}), "chrono")

    def test_a_dependency_that_must_be_optional(self):
        optional = {"p": {"tokio"}}
        self.fails(structure.own_manifests([package("p", {"name": "tokio"})], {}, optional), "optional")
        self.passes(structure.own_manifests([package("p", {"name": "tokio", "optional": True})], {}, optional))
        self.passes(structure.own_manifests([package("p", {"name": "tokio", "kind": "dev"})], {}, optional))

    def test_a_package_deep_in_the_tree(self):
        self.fails(structure.must_not_link({"g": {"serde", "notify"}}, {"g": {"notify"}}), "g: links notify")
        self.passes(structure.must_not_link({"g": {"serde"}, "d": {"notify"}}, {"g": {"notify"}}))


class RustSource(unittest.TestCase):
    def test_lines_stay_in_place(self):
        text = 'a /* b\n/* c */ d */ e // f\n"g\\"h" \'i\' \'\\n\' r#"j"k"# l\n'
        kept = code_only(text)
        self.assertEqual(kept.count("\n"), text.count("\n"))
        self.assertEqual(kept.split(), ["a", "e", "l"])

    def test_lifetimes_are_code(self):
        self.assertIn("unsafe", code_only("fn f<'a>(x: &'a str) { unsafe { } } // 'b'"))

    def test_literals_can_be_kept(self):
        self.assertEqual(code_only('x("a") // b', keep_literals=True).strip(), 'x("a")')


if __name__ == "__main__":
    unittest.main()
