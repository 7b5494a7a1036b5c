#include "core/net/tls/tls_tickets.h"

#include <algorithm>
#include <utility>

namespace keepwarm::net {

void TlsTicketBound::add(TlsTicket& newest) {
  if (count_ == kMaxTickets) by_age_.front()->owner->drop(*by_age_.front());
  by_age_.push_back(newest);
  ++count_;
}

void TlsTicketBound::remove(TlsTicket& ticket) noexcept {
  by_age_.remove(ticket);
  --count_;
}

void TlsTicketBound::forget_all() noexcept {
  while (!by_age_.empty()) by_age_.front()->owner->drop(*by_age_.front());
}

TlsTickets::TlsTickets(TlsTicketBound& bound) noexcept : bound_(bound) {}

TlsTickets::~TlsTickets() {
  for (auto& ticket : tickets_) {
    if (ticket) drop(ticket);
  }
}

void TlsTickets::put(std::string session) {
  if (tickets_.back()) drop(*tickets_.front());
  auto& place = tickets_[count()];
  place = std::make_unique<TlsTicket>();
  place->owner = this;
  place->session = std::move(session);
  bound_.add(*place);
}

std::optional<std::string> TlsTickets::take() {
  if (count() == 0) return std::nullopt;
  auto& newest = tickets_[count() - 1];
  std::string session = std::move(newest->session);
  drop(newest);
  return session;
}

std::size_t TlsTickets::count() const noexcept {
  return static_cast<std::size_t>(std::find(tickets_.begin(), tickets_.end(), nullptr) - tickets_.begin());
}

void TlsTickets::drop(std::unique_ptr<TlsTicket>& ticket) noexcept {
  bound_.remove(*ticket);
  ticket.reset();
}

void TlsTickets::drop(const TlsTicket& ticket) noexcept {
  const auto place =
      std::find_if(tickets_.begin(), tickets_.end(), [&](const auto& kept) { return kept.get() == &ticket; });
  drop(*place);
  std::rotate(place, place + 1, tickets_.end());
}

}  // namespace keepwarm::net
