#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/base/intrusive_list.h"
#include "core/net/dns/name_server.h"
#include "core/net/dns/resolv_conf.h"
#include "core/net/dns/server_order.h"

namespace keepwarm::net {

/// The name servers of one /etc/resolv.conf, and what is known of them.
struct ServerSet {
  ServerSet(Loop& loop, const ResolvConf& of);

  [[nodiscard]] bool open() const noexcept;
  void tick(TimePoint now);
  /// Whom to ask, one after the other.
  [[nodiscard]] std::vector<std::uint8_t> in_order();

  ResolvConf conf;
  std::vector<std::unique_ptr<NameServer>> servers;
  ServerOrder order;
};

class FamilyQuery;

class FamilyEvents {
 public:
  /// The query has ended. It may be started again, or destroyed.
  virtual void on_family_ended(FamilyQuery& query) = 0;

 protected:
  ~FamilyEvents() = default;
};

/// One name's addresses of one family: asks one name server after the other until one can say. A server that has not
/// answered after kServerPatience is not given up (a resolver that asks the world may take longer), but the next one is
/// asked as well, and is asked first from then on if the silent one has answered nothing at all meanwhile.
class FamilyQuery final : public ListHook<FamilyQuery>, private QuestionEvents {
 public:
  static constexpr Duration kServerPatience = std::chrono::seconds(1);
  /// Those whose server is to lose its right to answer alone, the first of them at the front: all wait equally long.
  using List = IntrusiveList<FamilyQuery, FamilyQuery>;

  FamilyQuery(RecordType type, FamilyEvents& events, List& impatient) noexcept
      : type_(type), events_(events), impatient_(impatient) {}

  /// Asks for `name`; nothing may be under way. `servers` must outlive what is under way. on_family_ended() may come
  /// before start() returns.
  void start(const std::string& name, ServerSet& servers, TimePoint now);
  /// kServerPatience is over since the last server was asked.
  void lose_patience(TimePoint now);
  /// For a name that is not there though the other family says that it is: asks once more, in lower case, if it went
  /// out in random case. False, and nothing happens: it did not.
  [[nodiscard]] bool ask_in_lower_case(TimePoint now);
  [[nodiscard]] TimePoint impatient_at() const noexcept { return asked_at_ + kServerPatience; }

  [[nodiscard]] bool ended() const noexcept { return ended_; }
  /// Once it has ended: Answer, NoName, Failed, or Silent if the last that could be done was to wait.
  [[nodiscard]] const Reply& reply() const noexcept { return reply_; }

 private:
  struct Asked final : Question {
    Asked(QuestionEvents& to, std::size_t which, TimePoint when, bool is_trial)
        : Question(to), server(which), at(when), trial(is_trial) {}
    std::size_t server;
    TimePoint at;
    bool trial;  // of a dead server, beside the question that counts
  };

  void on_reply(Question& question, const Reply& reply) override;
  void ask_next(TimePoint now);
  void ask(std::size_t server, TimePoint now, bool trial);
  void end(Reply reply);
  [[nodiscard]] std::size_t most_questions() const noexcept { return order_.size() * servers_->conf.attempts; }

  RecordType type_;
  FamilyEvents& events_;
  List& impatient_;
  std::string name_;
  ServerSet* servers_ = nullptr;
  std::vector<std::uint8_t> order_;
  std::size_t questions_ = 0;  // so far
  TimePoint asked_at_;         // the last of them
  bool in_lower_case_ = false;
  bool was_random_case_ = false;  // the question that was answered
  std::size_t answered_by_ = 0;
  std::vector<std::unique_ptr<Asked>> under_way_;
  Reply reply_;
  bool ended_ = true;
};

}  // namespace keepwarm::net
