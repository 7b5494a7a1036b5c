#include "daemon/lifecycle.h"

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "config/error.h"
#include "daemon/savings_text.h"
#include "daemon/systemd.h"

namespace keepwarm::daemon {

namespace {

constexpr Duration kDay = std::chrono::hours(24);

bool family_is_missing(int error) noexcept {
  return error == EAFNOSUPPORT || error == EADDRNOTAVAIL;
}

}  // namespace

struct Lifecycle::Signal {
  uv_signal_t handle{};
  std::function<void()> on_signal;
};

void Lifecycle::CloseThenDelete::operator()(Signal* signal) const noexcept {
  uv_close(reinterpret_cast<uv_handle_t*>(&signal->handle),
           [](uv_handle_t* handle) { delete static_cast<Signal*>(handle->data); });
}

Lifecycle::Lifecycle(net::Loop& loop, proxy::Workers& workers, Logging& logging, const CommandLine& line,
                     std::string config_file)
    : loop_(loop),
      workers_(workers),
      logging_(logging),
      line_(line),
      config_file_(std::move(config_file)),
      notifier_(loop),
      reloader_(loop, line, [this](const Reloader::Loaded& loaded) { reloaded(loaded); }),
      started_(net::Loop::now()),
      day_(loop, [this] { log_savings_of_day(); }) {}

Lifecycle::~Lifecycle() = default;

void Lifecycle::watch(int signal_number, std::function<void()> on_signal) {
  auto* signal = new Signal{{}, std::move(on_signal)};
  uv_signal_init(&loop_.uv(), &signal->handle);
  signal->handle.data = signal;
  signals_.emplace_back(signal);
  const auto call = [](uv_signal_t* handle, int) { static_cast<Signal*>(handle->data)->on_signal(); };
  uv_signal_start(&signal->handle, call, signal_number);
}

bool Lifecycle::start(const config::Config& config) {
  logging_.write(LogLevel::Info, config_file_.empty() ? "no configuration file: the built-in defaults are in force"
                                                      : "configuration: " + config_file_);
  watch(SIGTERM, [this] { stop(); });
  watch(SIGINT, [this] { stop(); });
  watch(SIGHUP, [this] { reload(); });
  for (const int fd : take_systemd_sockets()) {
    if (const auto failure = workers_.adopt(fd)) {
      logging_.write(LogLevel::Error, "cannot listen on a socket of systemd: " + failure->message);
      return false;
    }
    systemd_sockets_ = true;
  }
  if (!systemd_sockets_ && !listen(config.proxy)) return false;
  log_addresses();
  logging_.write(LogLevel::Info, "ready");
  notifier_.tell("READY=1\nSTATUS=serving");
  day_.arm(kDay);
  return true;
}

bool Lifecycle::listen(const policy::ProxySettings& settings) {
  std::vector<net::Endpoint> endpoints(settings.listen.begin(), settings.listen.end());
  while (!endpoints.empty()) {
    const auto failure = workers_.listen(endpoints);
    if (!failure) return true;
    const bool skip = settings.listen_is_default && family_is_missing(failure->error) && endpoints.size() > 1;
    logging_.write(skip ? LogLevel::Warn : LogLevel::Error,
                   (skip ? "not listening on " : "cannot listen on ") + failure->message);
    if (!skip) return false;
    std::erase(endpoints, failure->endpoint);
  }
  return false;
}

void Lifecycle::log_addresses() {
  std::vector<std::string> addresses;
  for (const net::Endpoint& endpoint : workers_.listening_on()) addresses.push_back(endpoint.text());
  for (const std::string& address : addresses) {
    const bool known =
        std::find(logged_addresses_.begin(), logged_addresses_.end(), address) != logged_addresses_.end();
    if (!known) logging_.write(LogLevel::Info, "listening on " + address);
  }
  logged_addresses_ = std::move(addresses);
}

void Lifecycle::log_savings_of_day() {
  const proxy::Savings now = workers_.savings();
  const proxy::Savings of_day = now.since(std::exchange(told_, now));
  if (of_day != proxy::Savings{}) logging_.write(LogLevel::Info, "in the last 24 h: " + savings_text(of_day));
  log_expiry_of_ca();
  day_.arm(kDay);
}

void Lifecycle::note_ca(const LoadedCa& loaded) {
  for (const std::string& problem : loaded.problems) {
    const bool told = std::find(ca_problems_.begin(), ca_problems_.end(), problem) != ca_problems_.end();
    if (!told) logging_.write(LogLevel::Error, "local CA: " + problem);
  }
  ca_problems_ = loaded.problems;
  ca_ = loaded.ca;
  log_expiry_of_ca();
}

void Lifecycle::log_expiry_of_ca() {
  if (!ca_) return;
  for (const std::string& warning : expiry_warnings(*ca_, std::chrono::system_clock::now())) {
    logging_.write(LogLevel::Warn, "local CA: " + warning);
  }
}

void Lifecycle::log_savings() {
  logging_.write(LogLevel::Info, "in " + rough_time(net::Loop::now() - started_) +
                                     " since the start: " + savings_text(workers_.savings()));
}

void Lifecycle::reload() {
  if (stopping_) return;
  notifier_.tell(reloading_state());
  reloader_.start();
}

void Lifecycle::reloaded(const Reloader::Loaded& loaded) {
  if (stopping_ || apply(loaded)) return;
  logging_.write(LogLevel::Error, "the new configuration is bad: the old one stays in force");
  notifier_.tell("READY=1");
}

/// False: it is bad, and nothing has changed. Else it is in force once that is logged.
bool Lifecycle::apply(const Reloader::Loaded& loaded) {
  if (!loaded.config) {
    for (const config::ConfigError& error : loaded.config.failure()) logging_.write(LogLevel::Error, to_text(error));
    return false;
  }
  // The listeners first: they may fail, and then nothing has changed.
  const config::Config& config = loaded.config->config;
  if (!systemd_sockets_ && !listen(config.proxy)) return false;
  log_addresses();
  logging_.configure(config.log);
  if (config.proxy.workers != workers_.count()) {
    logging_.write(LogLevel::Warn, "workers = " + std::to_string(config.proxy.workers) +
                                       " takes a restart: there are " + std::to_string(workers_.count()));
  }
  note_ca(loaded.ca);
  workers_.reconfigure(engine_settings(config, loaded.authorities, loaded.ca), [this] {
    logging_.write(LogLevel::Info, "configuration reloaded");
    notifier_.tell("READY=1");
  });
  return true;
}

void Lifecycle::stop() {
  if (stopping_) {
    logging_.write(LogLevel::Info, "second signal: ending at once");
    return loop_.stop();
  }
  stopping_ = true;
  notifier_.tell("STOPPING=1\nSTATUS=finishing what is under way");
  logging_.write(LogLevel::Info, "stopping: finishing what is under way");
  workers_.drain([this] {
    drained_ = true;
    loop_.stop();
  });
}

proxy::EngineSettings engine_settings(const config::Config& config, net::TrustStore authorities, const LoadedCa& ca) {
  return {.proxy = config.proxy,
          .hosts = config.hosts,
          .dns = config.dns,
          .intercept = config.intercept,
          .ca = ca.ca,
          .authorities = std::move(authorities)};
}

}  // namespace keepwarm::daemon
