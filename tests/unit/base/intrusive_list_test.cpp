#include "core/base/intrusive_list.h"

#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace keepwarm {
namespace {

struct ByAge {};
struct ByName {};

struct Item : ListHook<ByAge>, ListHook<ByName> {
  explicit Item(char n) : name(n) {}
  char name;
};
using AgeList = IntrusiveList<Item, ByAge>;
using NameList = IntrusiveList<Item, ByName>;

template <typename List>
std::string names(List& list) {
  std::string forward;
  for (Item* item = list.front(); item != nullptr; item = list.next(*item)) forward += item->name;
  std::string backward;
  for (Item* item = list.back(); item != nullptr; item = list.previous(*item)) backward.insert(0, 1, item->name);
  CHECK(forward == backward);
  CHECK(list.empty() == forward.empty());
  return forward;
}

TEST_CASE("an empty list has no ends") {
  AgeList list;
  CHECK(list.empty());
  CHECK(list.front() == nullptr);
  CHECK(list.back() == nullptr);
  list.clear();
  CHECK(list.empty());
}

TEST_CASE("elements keep the order in which they were pushed to either end") {
  Item a('a');
  Item b('b');
  Item c('c');
  AgeList list;
  list.push_back(b);
  list.push_back(c);
  list.push_front(a);
  CHECK(names(list) == "abc");
  CHECK(list.front() == &a);
  CHECK(list.back() == &c);
  CHECK(list.previous(a) == nullptr);
  CHECK(list.next(c) == nullptr);
}

TEST_CASE("an element leaves from anywhere and may come back") {
  Item a('a');
  Item b('b');
  Item c('c');
  AgeList list;
  for (Item* item : {&a, &b, &c}) list.push_back(*item);
  AgeList::remove(b);
  CHECK(names(list) == "ac");
  list.push_front(b);
  CHECK(names(list) == "bac");
  AgeList::remove(b);
  AgeList::remove(c);
  CHECK(names(list) == "a");
  AgeList::remove(a);
  CHECK(names(list).empty());
  AgeList::remove(a);  // not in any list: nothing happens
}

TEST_CASE("a destroyed element leaves its list") {
  Item a('a');
  auto b = std::make_unique<Item>('b');
  Item c('c');
  AgeList list;
  for (Item* item : {&a, b.get(), &c}) list.push_back(*item);
  b.reset();
  CHECK(names(list) == "ac");
}

TEST_CASE("elements outlive their list and are free for another one") {
  Item a('a');
  Item b('b');
  {
    AgeList list;
    list.push_back(a);
    list.push_back(b);
  }
  CHECK_FALSE(static_cast<ListHook<ByAge>&>(a).linked());
  CHECK_FALSE(static_cast<ListHook<ByAge>&>(b).linked());
  AgeList other;
  other.push_back(a);
  CHECK(names(other) == "a");
  other.clear();
  CHECK_FALSE(static_cast<ListHook<ByAge>&>(a).linked());
}

TEST_CASE("one element hangs in several lists, and leaves each for itself") {
  Item a('a');
  Item b('b');
  AgeList ages;
  NameList sorted;
  ages.push_back(b);
  ages.push_back(a);
  sorted.push_back(a);
  sorted.push_back(b);
  AgeList::remove(a);
  CHECK(names(ages) == "b");
  CHECK(names(sorted) == "ab");
}

}  // namespace
}  // namespace keepwarm
