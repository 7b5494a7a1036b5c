#include "core/net/connector.h"

#include <algorithm>
#include <cassert>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <utility>
#include <vector>

#include <uv.h>

#include "core/base/intrusive_list.h"
#include "core/net/after_turn.h"
#include "core/net/self_connect.h"
#include "core/net/tcp_node.h"
#include "core/net/timer.h"
#include "core/net/unix_socket.h"

namespace keepwarm::net {
namespace {

using Kind = ConnectFailure::Kind;

Kind kind_of(int error, const SocketAddress& address) noexcept {
  switch (error) {
    case UV_ECONNREFUSED: return Kind::Refused;
    case UV_ETIMEDOUT: return Kind::Timeout;
    case UV_EMFILE:
    case UV_ENFILE:
    case UV_ENOBUFS:
    case UV_ENOMEM: return Kind::OutOfDescriptors;
    case UV_EADDRNOTAVAIL:
      // Either all ephemeral ports are taken, or this machine has no IPv6 address to come from.
      return address.family() == AF_INET ? Kind::OutOfDescriptors : Kind::Unroutable;
    case UV_ENETUNREACH:
    case UV_EHOSTUNREACH:
    case UV_ENETDOWN:
    case UV_EHOSTDOWN:
    case UV_EAFNOSUPPORT:
    case UV_EACCES:  // broadcast address, local firewall
    case UV_EPERM:   // local firewall
    case UV_EINVAL:  // link-local address without a scope
      return Kind::Unroutable;
    default: return Kind::Other;
  }
}

Kind unix_kind_of(int error) noexcept {
  switch (error) {
    case UV_EAGAIN: return Kind::Timeout;
    case UV_ECONNREFUSED:
    case UV_ENOENT:
    case UV_ENOTDIR:
    case UV_EACCES:
    case UV_EPERM: return Kind::Refused;
    default: return kind_of(error, SocketAddress::unix_socket());
  }
}

/// How much a failure says beside another one (ConnectFailure).
int weight(Kind kind) noexcept {
  switch (kind) {
    case Kind::Unroutable: return 0;
    case Kind::OutOfDescriptors: return 2;
    default: return 1;
  }
}

int fd_of(const TcpNode& node) noexcept {
  uv_os_fd_t fd = -1;
  uv_fileno(reinterpret_cast<const uv_handle_t*>(&node.handle), &fd);
  return fd;
}

/// Makes the close of a socket send RST, and leave no TIME_WAIT behind.
void reset_on_close(int fd) noexcept {
  const linger reset{1, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
}

}  // namespace

/// The look-up, then the race, perhaps both once more; or the unix socket, whose connect ends at once and so is made at
/// the end of the turn. A failure of the race is reported from the timer, in a later turn of the loop, so that neither
/// start() nor the resolver is ever on the stack; success is reported from the callback of the connect that succeeded.
struct Connector::Impl final : private ResolveEvents {
  /// One connect under way. Freed in its callback, which libuv calls even for a handle that was closed before.
  struct Attempt : ListHook<Attempt> {
    uv_connect_t request{};
    Impl* owner = nullptr;  // nullptr: given up, the node is being closed
    TcpNode* node = nullptr;
    SocketAddress address;
  };

  Impl(Loop& l, Resolver& r, const AddressFilter& f, ConnectEvents& e)
      : loop(l), resolver(r), filter(f), events(e), timer(l, [this] { on_timer(); }) {}
  ~Impl() {
    if (destroyed != nullptr) *destroyed = true;
    give_up_attempts();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void start(std::string_view to_host, std::uint16_t to_port, Duration timeout);
  void start_unix(std::string_view to_path, Duration timeout);
  void try_unix();
  void on_resolved(std::span<const SocketAddress> addresses, int error) override;
  void on_rest(std::span<const SocketAddress> addresses);
  void no_address(int error);
  [[nodiscard]] bool tell(std::span<const SocketAddress> addresses);
  [[nodiscard]] std::vector<SocketAddress> untried(std::span<const SocketAddress> addresses) const;
  void race();
  void connect_next();
  void all_failed();
  [[nodiscard]] int begin_attempt(const SocketAddress& address);
  void end_attempt(Attempt& attempt, int status);
  void win(Attempt& attempt);
  void give_up_attempts() noexcept;
  void note(const ConnectFailure& failure);
  void arm_timer();
  void on_timer();
  [[nodiscard]] ConnectFailure time_is_up();
  [[nodiscard]] ConnectFailure told(ConnectFailure failure, TimePoint now) const;
  void fail_soon(const ConnectFailure& failure);

  Loop& loop;
  Resolver& resolver;
  const AddressFilter& filter;
  ConnectEvents& events;
  Timer timer;

  std::string host;                      // "": a literal
  std::optional<Resolver::Query> query;  // while the look-up is under way
  TimePoint asked_at;
  bool from_cache = false;   // the answer; it may have become wrong
  bool asked_again = false;  // since nobody could be connected to
  std::uint16_t port = 0;
  std::string path;  // instead of a host; "": there is one
  std::optional<AfterTurn> after_turn;
  TimePoint started_at;
  Duration connect_timeout{};
  TimePoint deadline;  // of the look-up, then of the race
  Duration dns{};

  std::vector<SocketAddress> candidates;  // in the order in which they are tried
  std::size_t next = 0;                   // of `candidates`; those before it have been begun
  std::vector<SocketAddress> earlier;     // those of the answer before, which all failed
  bool racing = false;                    // since there have been addresses that may be tried
  TimePoint race_began_at;
  TimePoint next_at;  // when the next one is begun though none has failed
  IntrusiveList<Attempt, Attempt> attempts;
  std::optional<ConnectFailure> worst;    // of the attempts that ended
  std::optional<ConnectFailure> outcome;  // about to be reported
  bool* destroyed = nullptr;              // while on_addresses() runs: set if it destroys us
};

void Connector::Impl::start(std::string_view to_host, std::uint16_t to_port, Duration timeout) {
  port = to_port;
  started_at = Loop::now();
  connect_timeout = timeout;
  if (const auto literal = SocketAddress::parse(to_host, port)) {
    deadline = started_at + timeout;
    candidates.push_back(*literal);
    return race();
  }
  host = to_host;
  asked_at = started_at;
  deadline = started_at + resolver.timeout();
  arm_timer();
  query.emplace();
  resolver.resolve(host, *query, *this);  // may call on_addresses(), which may destroy us
}

void Connector::Impl::start_unix(std::string_view to_path, Duration timeout) {
  path = to_path;
  started_at = Loop::now();
  deadline = started_at + timeout;
  if (filter.is_own_unix_path(path)) {
    return fail_soon({.kind = Kind::Ourselves, .error = 0, .address = SocketAddress::unix_socket()});
  }
  after_turn.emplace(loop, [this] { try_unix(); });
  after_turn->request();
}

void Connector::Impl::try_unix() {
  const int fd = connect_unix(path);
  const TimePoint now = Loop::now();
  if (fd == UV_EAGAIN && now < deadline) return timer.arm(std::min(kUnixRetryAfter, deadline - now));
  if (fd < 0) {
    return events.on_connect_failed({.kind = unix_kind_of(fd),
                                     .error = fd == UV_EAGAIN ? UV_ETIMEDOUT : fd,
                                     .address = SocketAddress::unix_socket(),
                                     .tried = {SocketAddress::unix_socket()},
                                     .connect = now - started_at});
  }
  TcpNode* const node = make_tcp_node(loop, TcpNode::Side::Upstream);
  uv_tcp_open(&node->handle, fd);  // libuv treats any stream socket alike; cannot fail: the descriptor is new
  events.on_connected({.stream = TcpStream::from_connected(node),
                       .address = SocketAddress::unix_socket(),
                       .dns = {},
                       .connect = now - started_at});
}

void Connector::Impl::on_resolved(std::span<const SocketAddress> addresses, int error) {
  if (racing) return on_rest(addresses);
  const TimePoint now = Loop::now();
  from_cache = !query->looked_up();
  if (!from_cache) dns = now - asked_at;
  if (!query->pending()) query.reset();
  if (!asked_again) deadline = now + connect_timeout;
  if (addresses.empty()) return no_address(error);
  if (!tell(addresses)) return;
  std::vector<SocketAddress> others = untried(addresses);
  earlier = std::exchange(candidates, std::move(others));
  next = 0;
  if (candidates.empty()) return fail_soon(*worst);
  race();
}

/// The other family's addresses have come, or will not come, while the first one's are tried.
void Connector::Impl::on_rest(std::span<const SocketAddress> addresses) {
  query.reset();
  if (outcome) return;  // it is about to be told
  if (!addresses.empty() && !tell(addresses)) return;
  std::vector<SocketAddress> rest = untried(addresses);
  std::erase_if(rest, [this](const SocketAddress& address) {
    return filter.verdict(address) != AddressFilter::Verdict::Allowed;
  });
  // Families take turns, as in any answer; the last to have been tried is of the first family.
  for (std::size_t i = 0; i < rest.size(); ++i) {
    const std::size_t place = std::min(next + 2 * i, candidates.size());
    candidates.insert(candidates.begin() + static_cast<std::ptrdiff_t>(place), rest[i]);
  }
  if (attempts.empty()) return connect_next();
  arm_timer();
}

void Connector::Impl::no_address(int error) {
  if (worst) return fail_soon(*worst);  // it says more than a second look-up that failed
  if (error == UV_ETIMEDOUT) return fail_soon({.kind = Kind::DnsTimeout, .error = error, .address = {}});
  const bool shortage = kind_of(error, {}) == Kind::OutOfDescriptors;
  fail_soon({.kind = shortage ? Kind::OutOfDescriptors : Kind::Dns, .error = error, .address = {}});
}

/// False: this has been destroyed.
bool Connector::Impl::tell(std::span<const SocketAddress> addresses) {
  bool gone = false;
  destroyed = &gone;
  events.on_addresses(addresses);
  if (gone) return false;
  destroyed = nullptr;
  return true;
}

/// Those of the addresses that are not among the candidates.
std::vector<SocketAddress> Connector::Impl::untried(std::span<const SocketAddress> addresses) const {
  std::vector<SocketAddress> others;
  for (SocketAddress address : addresses) {
    address.set_port(port);
    if (std::find(candidates.begin(), candidates.end(), address) == candidates.end()) others.push_back(address);
  }
  return others;
}

void Connector::Impl::race() {
  std::vector<SocketAddress> allowed;
  for (const SocketAddress& address : candidates) {
    switch (filter.verdict(address)) {
      case AddressFilter::Verdict::Allowed: allowed.push_back(address); break;
      case AddressFilter::Verdict::Denied: break;
      case AddressFilter::Verdict::Ourselves:
        return fail_soon({.kind = Kind::Ourselves, .error = 0, .address = address});
    }
  }
  if (allowed.empty() && !worst) worst = {.kind = Kind::Denied, .error = 0, .address = candidates.back()};
  candidates = std::move(allowed);
  racing = true;
  race_began_at = Loop::now();
  connect_next();
}

void Connector::Impl::connect_next() {
  while (next < candidates.size()) {
    const SocketAddress& address = candidates[next++];
    const int error = begin_attempt(address);
    if (error == 0) {
      next_at = Loop::now() + kStagger;
      return arm_timer();
    }
    note({.kind = kind_of(error, address), .error = error, .address = address});
  }
  if (attempts.empty()) return all_failed();
  arm_timer();  // for the time limit alone
}

void Connector::Impl::all_failed() {
  if (query) return arm_timer();  // the other family is still being asked for
  const bool may_have_moved = from_cache && worst->kind != Kind::OutOfDescriptors;
  if (!may_have_moved || std::exchange(asked_again, true)) return fail_soon(*worst);
  racing = false;
  asked_at = Loop::now();
  arm_timer();  // what is left of the time limit holds for the second look-up too
  query.emplace();
  if (resolver.ask_again(host, *query, *this)) return;
  query.reset();
  fail_soon(*worst);
}

/// Returns 0, or why not even a SYN went out.
int Connector::Impl::begin_attempt(const SocketAddress& address) {
  auto attempt = std::make_unique<Attempt>();
  attempt->node = make_tcp_node(loop, TcpNode::Side::Upstream);
  attempt->owner = this;
  attempt->address = address;
  attempt->request.data = attempt.get();
  const auto on_connect = [](uv_connect_t* request, int status) {
    Loop::begin_event();
    const std::unique_ptr<Attempt> ended(static_cast<Attempt*>(request->data));
    if (ended->owner != nullptr) ended->owner->end_attempt(*ended, status);
  };
  uv_tcp_t& handle = attempt->node->handle;
  uv_tcp_nodelay(&handle, 1);  // remembered for the socket that is made now
  const int error = uv_tcp_connect(&attempt->request, &handle, address.get(), on_connect);
  if (error != 0) {
    close_tcp_node(attempt->node);
    return error;
  }
  TcpStream::watch_before_connected(attempt->node);
  attempts.push_back(*attempt);
  static_cast<void>(attempt.release());  // its callback owns it
  return 0;
}

void Connector::Impl::end_attempt(Attempt& attempt, int status) {
  attempts.remove(attempt);
  if (status == 0 && connected_to_itself(fd_of(*attempt.node), attempt.address)) {
    reset_on_close(fd_of(*attempt.node));  // else TIME_WAIT keeps the port from the server that will want it
    status = UV_ECONNREFUSED;
  }
  if (status == 0) return win(attempt);
  close_tcp_node(attempt.node);
  note({.kind = kind_of(status, attempt.address), .error = status, .address = attempt.address});
  connect_next();
}

void Connector::Impl::win(Attempt& attempt) {
  give_up_attempts();
  query.reset();
  timer.disarm();
  events.on_connected({.stream = TcpStream::from_connected(attempt.node),
                       .address = attempt.address,
                       .dns = dns,
                       .connect = Loop::now() - race_began_at});
}

void Connector::Impl::give_up_attempts() noexcept {
  while (Attempt* const attempt = attempts.front()) {
    attempts.remove(*attempt);
    attempt->owner = nullptr;
    close_tcp_node(attempt->node);
  }
}

void Connector::Impl::note(const ConnectFailure& failure) {
  if (!worst || weight(failure.kind) >= weight(worst->kind)) worst = failure;
}

void Connector::Impl::arm_timer() {
  const bool more = next < candidates.size();
  timer.arm((more ? std::min(next_at, deadline) : deadline) - Loop::now());
}

void Connector::Impl::fail_soon(const ConnectFailure& failure) {
  query.reset();
  outcome = failure;
  timer.arm(Duration::zero());
}

void Connector::Impl::on_timer() {
  if (!outcome && !path.empty()) return try_unix();
  const TimePoint now = Loop::now();
  if (!outcome && now >= deadline) {
    outcome = time_is_up();
    query.reset();
    give_up_attempts();
  }
  if (outcome) {
    const ConnectFailure failure = told(*outcome, now);  // we may be destroyed while it is read
    return events.on_connect_failed(failure);
  }
  // Timers count in whole milliseconds of the loop's clock and may come a little early.
  if (next < candidates.size() && now >= next_at) return connect_next();
  arm_timer();
}

ConnectFailure Connector::Impl::told(ConnectFailure failure, TimePoint now) const {
  failure.tried = earlier;
  failure.tried.insert(failure.tried.end(), candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(next));
  if (failure.tried.empty() && failure.address.family() != AF_UNSPEC) failure.tried.push_back(failure.address);
  failure.dns = dns;
  if (race_began_at != TimePoint{}) failure.connect = now - race_began_at;
  return failure;
}

ConnectFailure Connector::Impl::time_is_up() {
  if (query && worst && attempts.empty()) return *worst;  // more addresses were waited for in vain
  if (query && candidates.empty()) {
    dns = Loop::now() - asked_at;
    return {.kind = Kind::DnsTimeout, .error = UV_ETIMEDOUT, .address = {}};
  }
  if (from_cache) resolver.forget(host);
  return {.kind = Kind::Timeout, .error = UV_ETIMEDOUT, .address = candidates[next - 1]};
}

Connector::Connector(Loop& loop, Resolver& resolver, const AddressFilter& filter, ConnectEvents& events)
    : impl_(std::make_unique<Impl>(loop, resolver, filter, events)) {}

Connector::~Connector() = default;

void Connector::start(std::string_view host, std::uint16_t port, Duration timeout) {
  assert(impl_->deadline == TimePoint{});
  impl_->start(host, port, timeout);
}

void Connector::start_unix(std::string_view path, Duration timeout) {
  assert(impl_->deadline == TimePoint{});
  impl_->start_unix(path, timeout);
}

}  // namespace keepwarm::net
