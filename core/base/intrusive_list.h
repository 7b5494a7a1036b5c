#pragma once

#include <cassert>
#include <cstdint>

namespace keepwarm {

/// How many list operations this thread has made (0 in Release). With it tests check that an event costs the same
/// however long the lists are.
#ifndef NDEBUG
inline constinit thread_local std::uint64_t list_steps = 0;
inline void count_list_step() noexcept {
  ++list_steps;
}
#else
inline constexpr std::uint64_t list_steps = 0;
inline void count_list_step() noexcept {}
#endif

/// Base of what hangs in an IntrusiveList. Leaves its list on destruction, so a list never holds a dangling element.
/// One object hangs in several lists by having several bases, each with a `Tag` of its own.
template <typename Tag>
class ListHook {
 public:
  ListHook() noexcept = default;
  ~ListHook() { unlink(); }
  ListHook(const ListHook&) = delete;
  ListHook& operator=(const ListHook&) = delete;

  [[nodiscard]] bool linked() const noexcept { return next_ != this; }
  void unlink() noexcept {
    count_list_step();
    prev_->next_ = next_;
    next_->prev_ = prev_;
    prev_ = next_ = this;
  }

 private:
  template <typename, typename>
  friend class IntrusiveList;
  ListHook* prev_ = this;
  ListHook* next_ = this;
};

/// Doubly linked list without allocation or ownership. `T` derives from ListHook<Tag>. O(1) everywhere; size is not
/// counted. Elements may outlive the list.
template <typename T, typename Tag>
class IntrusiveList {
 public:
  IntrusiveList() noexcept = default;
  ~IntrusiveList() { clear(); }
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;

  [[nodiscard]] bool empty() const noexcept { return !head_.linked(); }
  [[nodiscard]] T* front() noexcept { return step(head_.next_); }
  [[nodiscard]] T* back() noexcept { return step(head_.prev_); }
  /// The element after (towards the back) or before (towards the front) `element`; nullptr at the end.
  [[nodiscard]] T* next(T& element) noexcept { return step(hook(element).next_); }
  [[nodiscard]] T* previous(T& element) noexcept { return step(hook(element).prev_); }

  void push_front(T& element) noexcept { insert(head_, hook(element), *head_.next_); }
  void push_back(T& element) noexcept { insert(*head_.prev_, hook(element), head_); }
  /// Puts `element` in front of `place`, which hangs in a list.
  static void insert_before(T& place, T& element) noexcept { insert(*hook(place).prev_, hook(element), hook(place)); }
  static void remove(T& element) noexcept { hook(element).unlink(); }
  void clear() noexcept {
    while (!empty()) head_.next_->unlink();
  }

 private:
  using Hook = ListHook<Tag>;
  static Hook& hook(T& element) noexcept { return static_cast<Hook&>(element); }
  static T* as_element(Hook* hook) noexcept { return static_cast<T*>(hook); }
  T* step(Hook* hook) noexcept {
    count_list_step();
    return hook == &head_ ? nullptr : as_element(hook);
  }
  static void insert(Hook& before, Hook& element, Hook& after) noexcept {
    assert(!element.linked());
    count_list_step();
    element.prev_ = &before;
    element.next_ = &after;
    before.next_ = &element;
    after.prev_ = &element;
  }

  Hook head_;
};

}  // namespace keepwarm
