#include "core/net/dns/lookup.h"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <netdb.h>
#include <pthread.h>
#include <sys/resource.h>
#include <utility>

#include "core/base/blocked_signals.h"

namespace keepwarm::net {
namespace {

constexpr std::chrono::seconds kIdleThreadLife{30};
/// Of a thread: what the modules of the system's resolver need, far less than the usual 8 MiB. Pages that are not used
/// cost no memory, but there may be a thousand threads, and the address space may be limited.
constexpr std::size_t kStackSize = std::size_t{512} * 1024;

/// getaddrinfo's failure as libuv names it.
int uv_error_of(int eai) noexcept {
  switch (eai) {
    case EAI_AGAIN: return UV_EAI_AGAIN;
    case EAI_BADFLAGS: return UV_EAI_BADFLAGS;
    case EAI_FAIL: return UV_EAI_FAIL;
    case EAI_FAMILY: return UV_EAI_FAMILY;
    case EAI_MEMORY: return UV_EAI_MEMORY;
    case EAI_NONAME: return UV_EAI_NONAME;
    case EAI_OVERFLOW: return UV_EAI_OVERFLOW;
    case EAI_SERVICE: return UV_EAI_SERVICE;
    case EAI_SOCKTYPE: return UV_EAI_SOCKTYPE;
    case EAI_SYSTEM: return errno != 0 ? -errno : UV_EAI_FAIL;
#ifdef EAI_NODATA  // glibc extensions
    case EAI_NODATA: return UV_EAI_NODATA;
    case EAI_ADDRFAMILY: return UV_EAI_ADDRFAMILY;
#endif
    default: return UV_EAI_FAIL;
  }
}

}  // namespace

std::vector<SocketAddress> in_connect_order(const std::vector<SocketAddress>& sorted) {
  std::vector<SocketAddress> ordered;
  if (sorted.empty()) return ordered;
  int wanted = sorted.front().family();
  std::vector<SocketAddress> left;
  for (const SocketAddress& address : sorted) {
    if (std::find(left.begin(), left.end(), address) == left.end()) left.push_back(address);
    if (left.size() == kMaxAddresses) break;
  }
  ordered.reserve(left.size());
  while (!left.empty()) {
    auto next = std::find_if(left.begin(), left.end(), [&](const SocketAddress& a) { return a.family() == wanted; });
    if (next == left.end()) next = left.begin();  // the other family has run out
    ordered.push_back(*next);
    wanted = next->family() == AF_INET ? AF_INET6 : AF_INET;
    left.erase(next);
  }
  return ordered;
}

LookupAnswer system_lookup(const std::string& name) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;  // else each address comes once for each socket type
  // No AI_ADDRCONFIG: where the only interface with some family is loopback (containers, a laptop without network), it
  // hides that family's names in /etc/hosts. A family without a route costs nothing: RFC 6724 rule 1 sorts it behind,
  // and connect() fails at once.
  addrinfo* list = nullptr;
  errno = 0;
  if (const int error = getaddrinfo(name.c_str(), nullptr, &hints, &list); error != 0) {
    return {.addresses = {}, .error = uv_error_of(error)};
  }
  std::vector<SocketAddress> sorted;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    if (const auto address = SocketAddress::from(entry->ai_addr)) sorted.push_back(*address);
  }
  freeaddrinfo(list);
  if (sorted.empty()) return {.addresses = {}, .error = UV_EAI_NODATA};
  return {.addresses = in_connect_order(sorted), .error = 0};
}

struct LookupThreads::Shared {
  struct Answered {
    std::string name;
    LookupAnswer answer;
  };

  explicit Shared(Lookup l) : lookup(std::move(l)) {}

  const Lookup lookup;
  std::mutex mutex;
  std::condition_variable work_or_end;
  // Everything below is under the mutex.
  std::deque<std::string> names;   // not yet taken by a thread
  std::vector<Answered> answered;  // not yet taken by the loop
  uv_async_t* async = nullptr;     // nullptr: nobody wants answers any more
  std::size_t threads = 0;
  std::size_t idle_threads = 0;
};

std::size_t LookupThreads::max_threads() noexcept {
  constexpr rlim_t kMin = 32;
  constexpr rlim_t kMax = 1024;
  rlimit descriptors{};
  if (getrlimit(RLIMIT_NOFILE, &descriptors) != 0) return kMin;
  return static_cast<std::size_t>(std::clamp(descriptors.rlim_cur / 8, kMin, kMax));
}

LookupThreads::LookupThreads(Loop& loop, Lookup lookup, OnAnswer on_answer)
    : shared_(std::make_shared<Shared>(std::move(lookup))), on_answer_(std::move(on_answer)), async_(new uv_async_t) {
  const auto wake = [](uv_async_t* async) {
    Loop::begin_event();
    static_cast<LookupThreads*>(async->data)->deliver();
  };
  const int error = uv_async_init(&loop.uv(), async_, wake);
  assert(error == 0);  // the loop made its wake-up descriptor when it was made itself
  static_cast<void>(error);
  async_->data = this;
  uv_unref(reinterpret_cast<uv_handle_t*>(async_));
  shared_->async = async_;
}

LookupThreads::~LookupThreads() {
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->async = nullptr;
    shared_->names.clear();
  }
  shared_->work_or_end.notify_all();
  uv_close(reinterpret_cast<uv_handle_t*>(async_),
           [](uv_handle_t* handle) { delete reinterpret_cast<uv_async_t*>(handle); });
}

int LookupThreads::start(std::string name) {
  assert(has_capacity());
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->names.push_back(std::move(name));
    if (shared_->names.size() > shared_->idle_threads) {
      // A thread that cannot be made is no failure while another one will come for the name.
      if (const int error = add_thread(); error != 0 && shared_->threads == 0) {
        shared_->names.pop_back();
        return error;
      }
    }
  }
  shared_->work_or_end.notify_one();
  if (running_++ == 0) uv_ref(reinterpret_cast<uv_handle_t*>(async_));
  return 0;
}

int LookupThreads::add_thread() {
  auto handed_over = std::make_unique<std::shared_ptr<Shared>>(shared_);
  const BlockedSignals blocked;  // in this thread they would interrupt the system's resolver
  uv_thread_t thread{};
  const uv_thread_options_t options{.flags = UV_THREAD_HAS_STACK_SIZE, .stack_size = kStackSize};
  const int error = uv_thread_create_ex(&thread, &options, &LookupThreads::run_thread, handed_over.get());
  if (error != 0) return error;
  pthread_detach(thread);
  static_cast<void>(handed_over.release());  // the thread owns it
  ++shared_->threads;
  return 0;
}

void LookupThreads::run_thread(void* handed_over) {
  const std::unique_ptr<std::shared_ptr<Shared>> owner(static_cast<std::shared_ptr<Shared>*>(handed_over));
  Shared& shared = **owner;
  std::unique_lock lock(shared.mutex);
  while (true) {
    ++shared.idle_threads;
    shared.work_or_end.wait_for(lock, kIdleThreadLife,
                                [&] { return !shared.names.empty() || shared.async == nullptr; });
    --shared.idle_threads;
    if (shared.names.empty()) break;
    std::string name = std::move(shared.names.front());
    shared.names.pop_front();

    lock.unlock();
    LookupAnswer answer = shared.lookup(name);
    lock.lock();
    if (shared.async == nullptr) break;
    shared.answered.push_back({std::move(name), std::move(answer)});
    uv_async_send(shared.async);
  }
  --shared.threads;
}

void LookupThreads::deliver() {
  std::vector<Shared::Answered> answered;
  {
    const std::lock_guard lock(shared_->mutex);
    answered.swap(shared_->answered);
  }
  running_ -= answered.size();
  if (running_ == 0) uv_unref(reinterpret_cast<uv_handle_t*>(async_));
  for (const Shared::Answered& one : answered) on_answer_(one.name, one.answer);
}

}  // namespace keepwarm::net
