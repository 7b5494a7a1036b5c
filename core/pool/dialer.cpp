#include "core/pool/dialer.h"

#include <sys/socket.h>
#include <utility>

namespace keepwarm::pool {

namespace {

using Step = DialFailure::Step;
using Via = policy::NextHop::Via;

DialFailure failure_in(Step step) {
  DialFailure failure;
  failure.step = step;
  return failure;
}

DialFailure connect_failure(const net::ConnectFailure& why) {
  DialFailure failure;
  failure.connect = why;
  failure.tried = why.tried;
  if (failure.tried.empty() && why.address.family() != AF_UNSPEC) failure.tried.push_back(why.address);
  failure.times = {.dns = why.dns, .connect = why.connect};
  return failure;
}

/// See DialFailure::text.
std::string whom(const policy::NextHop& hop) {
  if (hop.via == Via::Client) return {};
  if (!hop.unix_path.empty()) return "unix:" + hop.unix_path;
  return (hop.via == Via::Parent ? "the parent proxy " : "") + host_and_port(hop.host, hop.port);
}

}  // namespace

std::optional<net::ConnectFailure> refuse_literal(const net::AddressFilter& filter, std::string_view host,
                                                  std::uint16_t port) {
  using Verdict = net::AddressFilter::Verdict;
  using Kind = net::ConnectFailure::Kind;
  const auto refuse = [&](std::string_view literal) -> std::optional<net::ConnectFailure> {
    const auto address = net::SocketAddress::parse_any_notation(literal, port);
    const Verdict verdict = address ? filter.verdict(*address) : Verdict::Allowed;
    if (verdict == Verdict::Allowed) return std::nullopt;
    return net::ConnectFailure{
        .kind = verdict == Verdict::Denied ? Kind::Denied : Kind::Ourselves, .error = 0, .address = *address};
  };
  if (!is_localhost(host)) return refuse(host);
  const auto refused = refuse("127.0.0.1");
  return refused ? refused : refuse("::1");
}

Dialer::Dialer(DialContext& context, DialRequest request, DialEvents& events)
    : context_(context), request_(std::move(request)), events_(events), parent_filter_(context.local_filter) {}

Dialer::~Dialer() = default;

const net::AddressFilter& Dialer::filter() const noexcept {
  switch (hop().via) {
    case Via::Client: return request_.local_client ? context_.local_filter : context_.remote_filter;
    case Via::ConnectTo: return context_.local_filter;
    case Via::Parent: return parent_filter_;
  }
  return context_.remote_filter;
}

void Dialer::start() {
  deadline_ = net::Loop::now() + request_.timeout;
  if (hop().parent_tunnel) {
    const net::AddressFilter& client_filter = request_.local_client ? context_.local_filter : context_.remote_filter;
    if (const auto refused = refuse_literal(client_filter, hop().origin.host, hop().origin.port)) {
      return fail_soon(connect_failure(*refused));
    }
  }
  connector_.emplace(context_.loop, context_.resolver, filter(), *this);
  if (hop().unix_path.empty()) {
    connector_->start(hop().host, hop().port, request_.timeout);
  } else {
    connector_->start_unix(hop().unix_path, request_.timeout);
  }
}

// ---- Connecting ----

void Dialer::on_addresses(std::span<const net::SocketAddress> addresses) {
  events_.on_addresses(addresses);
}

void Dialer::on_connect_failed(const net::ConnectFailure& failure) {
  DialFailure told = connect_failure(failure);
  told.text = whom(hop());
  fail(std::move(told));
}

void Dialer::on_connected(net::Connected connected) {
  address_ = connected.address;
  times_.dns = connected.dns;
  times_.connect = connected.connect;
  deadline_ += connected.dns;
  step_began_ = net::Loop::now();
  if (!hop().parent_tunnel && !hop().tls) return done({.stream = std::move(connected.stream)});
  context_.deadlines.arm(*this, deadline_);
  if (hop().parent_tunnel) return ask_parent(std::move(connected.stream));
  secure(std::move(connected.stream));
}

// ---- The parent's tunnel ----

void Dialer::ask_parent(std::unique_ptr<net::TcpStream> stream) {
  parent_ = std::make_unique<ParentTunnel>(std::move(stream), context_.head_limits, *this);
  if (request_.via.empty() && !context_.via.empty()) request_.via = "1.1 " + context_.via;
  parent_->start(host_and_port(hop().origin.host, hop().origin.port), basic_authorization(hop().credentials),
                 request_.via);
}

void Dialer::on_tunnel_open(std::unique_ptr<net::TcpStream> stream, std::string early) {
  times_.connect += net::Loop::now() - std::exchange(step_began_, net::Loop::now());
  const std::unique_ptr<ParentTunnel> ended = std::move(parent_);
  if (!hop().tls) return done({.stream = std::move(stream), .early = std::move(early)});
  // In TLS the client speaks first.
  if (!early.empty()) return on_tunnel_refused(0, {});
  secure(std::move(stream));
}

void Dialer::on_tunnel_refused(std::uint16_t status, std::string schemes) {
  DialFailure failure = failure_in(Step::Parent);
  failure.parent_status = status;
  failure.parent_schemes = std::move(schemes);
  fail(std::move(failure));
}

// ---- TLS ----

void Dialer::secure(std::unique_ptr<net::TcpStream> stream) {
  const policy::TlsTerms& terms = *hop().tls;
  const auto context = context_.tls.context({.verify = terms.verify,
                                             .ca_file = terms.ca_file,
                                             .client_certificate = terms.client_certificate,
                                             .client_key = terms.client_key});
  if (!context) {
    DialFailure failure = failure_in(Step::Settings);
    failure.text = context.failure();
    return fail(std::move(failure));
  }
  resuming_ = request_.tickets && request_.tickets->count() > 0;
  tls_ = net::TlsStream::start(context_.tls, *context.value(), std::move(stream), terms.server_name,
                               std::move(request_.tickets), *this);
}

void Dialer::on_secured() {
  times_.tls = net::Loop::now() - step_began_;
  const std::string_view protocol = tls_->protocol();
  const bool resumed = tls_->resumed(), requested = tls_->certificate_requested();
  done({.stream = std::move(tls_),
        .tls_protocol = protocol,
        .tls_resumed = resumed,
        .client_certificate_requested = requested});
}

void Dialer::on_handshake_failed(const net::TlsFailure& why) {
  DialFailure failure = failure_in(Step::Tls);
  failure.tls = why;
  failure.tried_to_resume = resuming_;
  fail(std::move(failure));
}

// ---- Ends ----

void Dialer::done(Dialed dialed) {
  DeadlineWheel::disarm(*this);
  dialed.address = address_;
  dialed.times = times_;
  events_.on_dialed(std::move(dialed));
}

void Dialer::fail(DialFailure failure) {
  DeadlineWheel::disarm(*this);
  if (failure.step != Step::Connect) add_way_so_far(failure);
  connector_.reset();
  parent_.reset();
  tls_.reset();
  events_.on_dial_failed(failure);
}

/// Of a failure after connecting.
void Dialer::add_way_so_far(DialFailure& failure) const {
  failure.tried = {address_};
  failure.times = times_;
  const Duration step = net::Loop::now() - step_began_;
  (failure.step == Step::Parent ? failure.times.connect : failure.times.tls) += step;
}

void Dialer::fail_soon(DialFailure failure) {
  failure_ = std::move(failure);
  context_.deadlines.arm(*this, net::Loop::now());
}

void Dialer::on_deadline(TimePoint) {
  if (failure_) return fail(DialFailure(*failure_));
  DialFailure failure = failure_in(parent_ ? Step::Parent : Step::Tls);
  failure.connect = {.kind = net::ConnectFailure::Kind::Timeout, .error = 0, .address = address_};
  fail(std::move(failure));
}

// ---- NetworkDialers ----

std::unique_ptr<Dial> NetworkDialers::dial(DialRequest request, DialEvents& events) {
  auto dialer = std::make_unique<Dialer>(context_, std::move(request), events);
  dialer->start();
  return dialer;
}

std::shared_ptr<net::TlsTickets> NetworkDialers::make_tickets() {
  return std::make_shared<net::TlsTickets>(context_.tls.ticket_bound());
}

std::unique_ptr<net::Stream> NetworkDialers::attach(net::DetachedStream& stream,
                                                    std::shared_ptr<net::TlsTickets> tickets) {
  return stream.attach(context_.tls, std::move(tickets));
}

}  // namespace keepwarm::pool
