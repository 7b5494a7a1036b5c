#include "core/net/mailbox.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "core/net/descriptor.h"
#include "tests/unit/net/net_fixture.h"

namespace keepwarm::net {
namespace {

struct MailboxFixture : test::LoopFixture {
  std::optional<Mailbox> mailbox{std::in_place, loop};
};

TEST_CASE_FIXTURE(MailboxFixture, "messages are delivered on the loop, in the order in which they were posted") {
  std::vector<int> delivered;
  for (int i = 0; i < 5; ++i) mailbox->post([&delivered, i] { delivered.push_back(i); });
  CHECK(delivered.empty());
  run_until([&] { return delivered.size() == 5; });
  CHECK(delivered == std::vector{0, 1, 2, 3, 4});
  mailbox.reset();
}

TEST_CASE_FIXTURE(MailboxFixture, "a message posted by a message is delivered, too") {
  int delivered = 0;
  mailbox->post([&] {
    mailbox->post([&] { delivered = 2; });
    delivered = 1;
  });
  run_until([&] { return delivered == 2; });
  mailbox.reset();
}

TEST_CASE_FIXTURE(MailboxFixture,
                  "messages of other threads all come, those of each in order, on the thread of the loop") {
  constexpr int kThreads = 4, kLetters = 2000;
  std::vector<std::vector<int>> delivered(kThreads);
  const auto here = std::this_thread::get_id();
  bool elsewhere = false;
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kLetters; ++i) {
        mailbox->post([&, t, i] {
          elsewhere = elsewhere || std::this_thread::get_id() != here;
          delivered[t].push_back(i);
        });
      }
    });
  }
  run_until([&] {
    return std::all_of(delivered.begin(), delivered.end(), [](const auto& of) { return of.size() == kLetters; });
  });
  for (std::thread& thread : threads) thread.join();
  CHECK_FALSE(elsewhere);
  for (const auto& of : delivered) CHECK(std::is_sorted(of.begin(), of.end()));
  mailbox.reset();
}

TEST_CASE_FIXTURE(MailboxFixture, "a message is destroyed once it was called") {
  auto watched = std::make_shared<int>(0);
  bool called = false;
  mailbox->post([&called, held = watched] { called = true; });
  CHECK(watched.use_count() == 2);
  run_until([&] { return called; });
  CHECK(watched.use_count() == 1);
  mailbox.reset();
}

TEST_CASE_FIXTURE(MailboxFixture, "what was not delivered is destroyed at the end, uncalled") {
  auto watched = std::make_shared<int>(0);
  mailbox->post([held = watched] { FAIL("delivered"); });
  mailbox->close();
  CHECK(watched.use_count() == 1);
  turn();
  mailbox.reset();
}

TEST_CASE_FIXTURE(MailboxFixture, "what is posted after the end is destroyed at once, and its descriptor closed") {
  mailbox->close();
  int ends[2] = {-1, -1};
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const test::Fd reader(ends[0]);
  mailbox->post([writer = Descriptor(ends[1])] { FAIL("delivered"); });
  char byte = 0;
  CHECK(::read(reader.get(), &byte, 1) == 0);  // nobody has the other end
  mailbox.reset();
}

}  // namespace
}  // namespace keepwarm::net
