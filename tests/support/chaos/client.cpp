#include "tests/support/chaos/client.h"

#include <algorithm>
#include <chrono>
#include <poll.h>
#include <string>

namespace chaos {
namespace {

constexpr std::size_t kPipeline = 4;

bool can_follow_in_pipeline(const Plan& plan) {
  return plan.up_size == 0 && plan.method != Method::Post && plan.method != Method::Put && !plan.old_client &&
         plan.client_fault == ClientFault::None;
}

}  // namespace

void Client::run(std::size_t first_id, std::size_t count) {
  const std::size_t end = first_id + count;
  std::size_t id = first_id;
  while (id < end) {
    std::deque<std::size_t> batch{id};
    while (world_.plan(id).pipelined && world_.plan(batch.front()).client_fault == ClientFault::None && id + 1 < end &&
           batch.size() < kPipeline && can_follow_in_pipeline(world_.plan(id + 1))) {
      batch.push_back(++id);
    }
    ++id;
    exchange(std::move(batch));
  }
  disconnect(false);
}

/// Sends the requests of the batch and reads their answers, both as the socket allows.
void Client::exchange(std::deque<std::size_t> batch) {
  const Plan first = world_.plan(batch.front());
  if (fd_ < 0) fd_ = connect_to(proxy_port_);
  if (fd_ < 0) return world_.error(batch.front(), "the proxy refuses connections");
  Outgoing out;
  std::size_t head_size = 0;
  for (const std::size_t id : batch) head_size = compose(id, out);
  if (first.client_fault != ClientFault::None) limit_to_fault(first, head_size, out);
  const bool leaves_when_sent = first.client_fault != ClientFault::None && first.client_fault != ClientFault::InAnswer;
  const Deadline deadline = std::chrono::steady_clock::now() + kPatience;
  bool writable = true;
  while (fd_ >= 0 && !batch.empty()) {
    if (out.left() > 0 && writable && out.write_some(fd_) < 0) {
      writable = false;  // the answer may still be there to read
    }
    if (leaves_when_sent && (out.left() == 0 || !writable)) {
      ++tally_.aborted;
      return disconnect(first.reset);
    }
    const bool sending = out.left() > 0 && writable;
    if (wait_for(fd_, sending ? POLLIN | POLLOUT : POLLIN, deadline) == 0) {
      world_.error(batch.front(), "no answer in time");
      return disconnect(true);
    }
    const Received received = receive(fd_, reader_);
    if (received == Received::Bytes && take_steps(batch) == Go::Finished) return;
    if (ended(received)) connection_ended(batch, received);
  }
  if (fd_ >= 0 && (last_of_connection_ || out.left() > 0)) disconnect(false);
}

/// Adds the request; the size of its head.
std::size_t Client::compose(std::size_t id, Outgoing& out) {
  const Plan plan = world_.plan(id);
  const std::string at = "127.0.0.1:" + std::to_string(world_.ports[plan.host]);
  std::string head(name_of(plan.method));
  head += " http://" + at + "/chaos/" + std::to_string(id) + (plan.old_client ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
  head += "Host: " + at + "\r\nX-Chaos-Id: " + std::to_string(id) + "\r\n";
  if (plan.up_chunked) {
    head += "Transfer-Encoding: chunked\r\n";
  } else if (plan.method == Method::Post || plan.method == Method::Put) {
    head += "Content-Length: " + std::to_string(plan.up_size) + "\r\n";
  }
  if (plan.one_shot) head += "Connection: close\r\n";
  if (!plan.one_shot && plan.old_client) head += "Connection: keep-alive\r\n";
  head += "\r\n";
  const std::size_t size = head.size();
  out.add(std::move(head));
  if (plan.method == Method::Post || plan.method == Method::Put) {
    out.add_body(world_.up_body(id), plan.up_chunked, plan.chunk_size);
  }
  return size;
}

void Client::limit_to_fault(const Plan& plan, std::size_t head_size, Outgoing& out) {
  const std::size_t body_size = out.left() - head_size;
  if (plan.client_fault == ClientFault::InHead) {
    out.truncate(1 + static_cast<std::size_t>(plan.where * static_cast<double>(head_size - 1)));
  } else if (plan.client_fault == ClientFault::InBody && body_size > 0) {
    out.truncate(head_size + static_cast<std::size_t>(plan.where * static_cast<double>(body_size)));
  }
}

/// Goes through what was received.
Client::Go Client::take_steps(std::deque<std::size_t>& batch) {
  while (!batch.empty()) {
    const std::size_t id = batch.front();
    switch (reader_.next()) {
      case MessageReader::Step::NeedMore: return Go::On;
      case MessageReader::Step::Head:
        if (!start_answer(id)) {
          disconnect(true);
          return Go::Finished;
        }
        break;
      case MessageReader::Step::Body: {
        take_piece(id);
        const Plan plan = world_.plan(id);
        const double wanted = plan.where * static_cast<double>(plan.down_size);
        if (plan.client_fault == ClientFault::InAnswer && static_cast<double>(got_) >= wanted) {
          ++tally_.aborted;
          disconnect(plan.reset);
          return Go::Finished;
        }
        break;
      }
      case MessageReader::Step::Ended: end_answer(batch, Outcome::Complete); break;
      case MessageReader::Step::Bad:
        world_.error(id, "the answer is not framed well");
        disconnect(true);
        return Go::Finished;
    }
  }
  if (!reader_.at_start()) {
    world_.error(0, "bytes behind the last answer");
    disconnect(true);
    return Go::Finished;
  }
  return Go::On;
}

/// False when the answer cannot be the one to this request.
bool Client::start_answer(std::size_t id) {
  const MessageHead& head = reader_.head();
  const int status = head.status();
  if (status >= 100 && status < 200) return true;  // interim: another head follows
  const Plan plan = world_.plan(id);
  begun_ = true;
  got_ = 0;
  same_ = true;
  last_of_connection_ = head.close || plan.one_shot || (plan.old_client && !head.keep_alive);
  if (status == 200 && head.id != std::to_string(id)) {
    world_.error(id, "crossed: this is the answer to request '" + head.id + "'");
    return false;
  }
  if (plan.old_client && head.chunked) {
    world_.error(id, "a chunked answer to an HTTP/1.0 client");
    return false;
  }
  if (plan.method == Method::Head) {
    reader_.expect_length(0);
  } else if (head.chunked) {
    reader_.expect_chunked();
  } else if (head.length) {
    reader_.expect_length(*head.length);
  } else {
    reader_.expect_close();
    last_of_connection_ = true;
  }
  return true;
}

void Client::take_piece(std::size_t id) {
  const std::string_view piece = reader_.piece();
  const std::string_view wanted = world_.down_body(id);
  if (reader_.head().status() == 200) {
    same_ = same_ && wanted.substr(std::min(got_, wanted.size()), piece.size()) == piece;
  }
  got_ += piece.size();
}

void Client::end_answer(std::deque<std::size_t>& batch, Outcome outcome) {
  const bool good = begun_ && reader_.head().status() == 200;
  judge(batch.front(), outcome == Outcome::Complete && !good ? Outcome::Refused : outcome);
  batch.pop_front();
  begun_ = false;
  if (!last_of_connection_ || batch.empty()) return;
  // What was pipelined behind it is the client's to send again; this one moves on.
  tally_.unanswered += batch.size();
  batch.clear();
}

void Client::connection_ended(std::deque<std::size_t>& batch, Received how) {
  last_of_connection_ = true;
  if (!batch.empty()) {
    const bool clean = begun_ && reader_.until_close() && how == Received::Fin;
    end_answer(batch, clean ? Outcome::Complete : Outcome::Cut);
  }
  disconnect(false);
}

void Client::judge(std::size_t id, Outcome outcome) {
  const Plan plan = world_.plan(id);
  if (begun_ && !same_) return world_.error(id, "the body is not the one that the origin sent");
  if (outcome == Outcome::Complete) {
    const std::size_t wanted = plan.method == Method::Head ? 0 : plan.down_size;
    if (got_ != wanted) {
      return world_.error(id, "a clean end after " + std::to_string(got_) + " of " + std::to_string(wanted) + " bytes");
    }
    ++tally_.exact;
    return;
  }
  if (plan.client_fault != ClientFault::None) {
    ++tally_.aborted;  // it would have left; the exchange failed first
    return;
  }
  if (!may_fail(id)) {
    const std::string how = outcome == Outcome::Refused ? "answered " + reader_.head().start_line : "cut";
    return world_.error(id, how + ", though nothing was wrong that the proxy may not hide");
  }
  const bool stale = world_.records[id].fault == OriginFault::None;
  ++(stale ? tally_.stale : outcome == Outcome::Refused ? tally_.refused : tally_.cut);
}

/// Whether a visible failure of this request is right, seen what the origin did with it.
bool Client::may_fail(std::size_t id) const {
  const Record& record = world_.records[id];
  const bool surely_replayable = world_.plan(id).surely_replayable();
  switch (record.fault) {
    case OriginFault::None: return !surely_replayable && record.arrivals == 0;
    case OriginFault::AfterHead:
    case OriginFault::BeforeByte: return record.fault_on_fresh || !surely_replayable;
    case OriginFault::MidHead:
    case OriginFault::MidBody:
    case OriginFault::EarlyAnswer: return true;
  }
  return false;
}

void Client::disconnect(bool reset) {
  if (fd_ < 0) return;
  close_by(fd_, reset);
  fd_ = -1;
  reader_ = MessageReader{};
  begun_ = false;
  last_of_connection_ = false;
}

}  // namespace chaos
