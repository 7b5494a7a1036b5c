#!/usr/bin/env python3
"""Each rule of check_structure.py fails on a fault that is planted in a small tree, and passes without it."""

import pathlib
import tempfile
import unittest

import check_structure as rules
from cpp_outline import outline_of

POOL = """#pragma once
namespace keepwarm::pool {
/// All connections of one pool key.
class HostPool {
 public:
  HostPool();
  void checkout();

 private:
  void settle();
  int users_ = 0;
};
}  // namespace keepwarm::pool
"""

EXCHANGE = """#pragma once
namespace keepwarm::proxy {
/// One request and its response.
class Exchange {
 public:
  void start();

 private:
  /// The request as it came.
  struct Request {
    bool idempotent = false;
    std::string text;
  };
  Request request_;
  bool over_ = false;
};
}  // namespace keepwarm::proxy
"""

DESIGN = """# Design
## 5. Requests
text
## 6. Connections
1. The first.
2. The second
   that goes on.
## Without a number
1. No section.
"""

PART = "#pragma once\n/// A part.\nstruct Part {};\n"


class Tree(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.write("core/pool/host_pool.h", POOL)
        self.write("core/proxy/exchange.h", EXCHANGE)
        self.write("core/doc/design.md", DESIGN)
        for parts in rules.PARTS.values():
            for part in parts:
                self.write(part + ".h", PART)

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def insert(self, path, before, text):
        whole = (self.root / path).read_text()
        self.assertIn(before, whole)
        self.write(path, whole.replace(before, text + before, 1))

    def faults(self):
        rules.classes_in.cache_clear()
        return rules.check(self.root)[0]

    def assert_fault(self, *parts):
        """Exactly one, with all of these in it."""
        faults = self.faults()
        self.assertEqual(len(faults), 1, faults)
        self.assertRegex(faults[0], r"^[\w./]+:\d+: ")
        for part in parts:
            self.assertIn(part, faults[0])

    def test_nothing_is_wrong_with_the_tree_to_begin_with(self):
        self.assertEqual(self.faults(), [])

    # ---- HostPool ----

    def test_a_header_that_grows_long(self):
        self.insert("core/pool/host_pool.h", "class HostPool", "\n" * 150)
        self.insert("core/pool/host_pool.h", "class HostPool", "/// Again.\n")
        self.assert_fault("core/pool/host_pool.h:1:", "lines of host_pool.h")

    def test_too_many_private_methods(self):
        method = "  [[nodiscard]] bool f{0}(int a = 1) const noexcept {{ return a > {0}; }}\n"
        self.insert("core/pool/host_pool.h", "  void settle", "".join(method.format(i) for i in range(25)))
        self.assert_fault("core/pool/host_pool.h:4:", "private methods", "26")

    def test_too_many_data_members(self):
        members = "".join(f"  std::function<void(int)> f{i}_{{}};\n" for i in range(14))
        self.insert("core/pool/host_pool.h", "  int users_", members)
        self.assert_fault("data members of HostPool", "15")

    def test_a_friend(self):
        self.insert("core/pool/host_pool.h", "  void settle", "  friend class Lease;\n")
        self.assert_fault("core/pool/host_pool.h:10:", "friend class Lease")

    def test_settle_is_called_in_too_many_places(self):
        calls = "  settle();  // settle();\n" * 9
        self.write("core/pool/host_pool.cpp", "void HostPool::settle() {}\nvoid HostPool::f() {\n" + calls + "}\n")
        self.assert_fault("core/pool/host_pool.cpp:11:", "settle()", "9")

    def test_no_such_class(self):
        self.write("core/pool/host_pool.h", POOL.replace("class HostPool", "class Other"))
        self.assert_fault("core/pool/host_pool.h:1:", "HostPool")

    # ---- Exchange ----

    def test_too_many_members_of_the_exchange(self):
        members = "".join(f"  int a{i}_ = 0;\n" for i in range(29))
        self.insert("core/proxy/exchange.h", "  Request request_", members)
        self.assert_fault("data members of Exchange", "31")

    def test_bools_count_through_values(self):
        self.write("core/http/hint.h", "#pragma once\nstruct Hint {\n  bool a, b1 = false;\n  bool b;\n};\n")
        flags = "".join(f"    bool b{i} = false;\n" for i in range(5))
        self.insert("core/proxy/exchange.h", "    std::string text", flags)
        self.insert("core/proxy/exchange.h", "  bool over_", "  std::optional<http::Hint> hint_;\n")
        self.assert_fault("bools of Exchange", ": 10,")

    def test_a_value_with_too_many_members(self):
        members = "".join(f"    int a{i} = 0;\n" for i in range(11))
        self.insert("core/proxy/exchange.h", "    std::string text", members)
        self.assert_fault("core/proxy/exchange.h:10:", "Request", "13")

    # ---- Parts and circles ----

    def test_a_part_that_names_its_whole(self):
        self.write("core/pool/warmer.cpp", "// HostPool may be said in a comment.\nvoid f(HostPool& pool);\n")
        self.assert_fault("core/pool/warmer.cpp:2:", "names its whole")

    def test_a_part_that_includes_its_whole(self):
        self.write("core/policy/server_model.cpp", '#include <x>\n#include "core/pool/host_pool.h"\n')
        self.assert_fault("core/policy/server_model.cpp:2:", "includes its whole")

    def test_a_part_that_is_gone(self):
        (self.root / "core/pool/peers.h").unlink()
        self.assert_fault("core/pool/peers.h:1:", "is not there")

    def test_includes_that_run_in_a_circle(self):
        self.write("core/net/a.h", '#pragma once\n#include "core/net/b.h"\n/// A.\nstruct A {};\n')
        self.write("core/net/b.h", "#pragma once\n/// B.\nstruct B {};\n")
        self.assertEqual(self.faults(), [])
        self.write("core/net/b.cpp", '#include "core/net/b.h"\n#include "core/net/a.h"\n')
        faults = self.faults()
        self.assertEqual([fault.split(": ")[0] for fault in faults], ["core/net/a.h:2", "core/net/b.cpp:2"])

    # ---- Citations ----

    def test_a_section_that_is_not_there(self):
        both = "// As core/doc/design.md §6.2 and §5 say, and RFC 9112\n// §9.3.1 and RFC 9110 §15.\n"
        self.write("core/net/a.cpp", both)
        self.assertEqual(self.faults(), [])
        self.write("core/net/a.cpp", "// See core/doc/design.md §5, §6.3; RFC 9112 §9.3.1\n")
        self.assert_fault("core/net/a.cpp:1:", "§6.3")

    def test_a_section_on_the_next_line(self):
        self.write("daemon/a.cpp", "\n/// See core/doc/design.md\n/// §7.\n")
        self.assert_fault("daemon/a.cpp:2:", "§7")

    def test_a_document_that_is_not_in_the_tree(self):
        self.write("tests/daemon/test_a.py", '"""DESIGN.md §5"""\n')
        self.assert_fault("tests/daemon/test_a.py:1:", "DESIGN.md is not a path")

    def test_a_link_that_leads_nowhere(self):
        text = "[here](b.md#part), [there](https://example.com/x)\n\n[design](../../core/doc/design.md)\n"
        self.write("packaging/doc/a.md", text)
        self.write("packaging/doc/b.md", "[a](a.md)\n")
        self.assertEqual(self.faults(), [])
        self.write("README.md", "\n[all](packaging/doc/c.md)\n")
        self.assert_fault("README.md:2:", "packaging/doc/c.md")

    # ---- Words ----

    def test_a_private_word_in_an_identifier(self):
        code = 'int newsletter = 0;  // a letter\nauto b = "letter";\nvoid openForNobody();\nint letters_;\n'
        self.write("daemon/a.cpp", code)
        faults = self.faults()
        self.assertEqual([fault.split(": ")[0] for fault in faults], ["daemon/a.cpp:3", "daemon/a.cpp:4"])

    def test_a_private_word_as_the_name_of_a_file(self):
        self.write("core/proxy/crew.h", "#pragma once\n/// Some.\nstruct Some {};\n")
        self.assert_fault("core/proxy/crew.h:1:", "worker group")

    # ---- Openings ----

    def test_a_header_that_does_not_say_what_it_is(self):
        code = "#pragma once\nnamespace x {\n/// Something else.\nstruct C {};\n\nclass AB {\n};\n}\n"
        self.write("core/net/a_b.h", code)
        self.assert_fault("core/net/a_b.h:1:", "a header opens with what it is")

    def test_a_header_of_functions_that_does_not_say_what_it_is(self):
        self.write("core/net/a.h", "#pragma once\n\nnamespace x {\n\nint f();\n/// Said.\nint g();\n}\n")
        self.assert_fault("core/net/a.h:1:", "a header opens with what it is")

    def test_what_opens_a_header(self):
        self.write("core/net/a.h", "#pragma once\n\n// What a is.\n\nnamespace x {\nint f();\n}\n")
        self.write("core/net/b.h", "#pragma once\nnamespace x {\nclass C;\n\n/// What f is.\nint f();\n}\n")
        self.assertEqual(self.faults(), [])


class Outline(unittest.TestCase):
    def test_members_and_methods_are_told_apart(self):
        one, nested = outline_of("""
            class A final : public B<int>, C {
             public:
              explicit A(int x) : x_(x) {}
              ~A();
              A& operator=(const A&) = delete;
              bool operator<(const A& other) const { return x_ < other.x_; }
              template <typename T> [[nodiscard]] T* find(T t) { if (t) { return nullptr; } return &t; }
             private:
              enum class State : std::uint8_t { One, Two };
              using List = std::vector<int>;
              static constexpr int kMost = f(3);
              friend class D;
              struct Nested { int deep = 0; };
              void g() const;
              std::function<void(int)> call_;
              std::map<int, std::vector<int>> map_{{1, {}}};
              int x_ = f(1) + (2);
              std::size_t parts_[3] = {}, more_ = f(1, 2), *last_{nullptr};
              Nested nested_;
            };""")
        self.assertEqual([method[0] for method in one.methods], ["A", "~A", "operator=", "operator", "find", "g"])
        self.assertEqual([method[0] for method in one.private_methods()], ["g"])
        names = ["call_", "map_", "x_", "parts_", "more_", "last_", "nested_"]
        self.assertEqual([member.name for member in one.members], names)
        self.assertEqual(one.friends[0][0], "friend class D")
        self.assertEqual((nested.name, nested.outer), ("Nested", "A"))
        self.assertEqual([member.name for member in nested.members], ["deep"])


if __name__ == "__main__":
    unittest.main()
