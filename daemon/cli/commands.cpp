#include "daemon/cli/commands.h"

#include <array>

namespace keepwarm::daemon {

constexpr OptionSpec kHelpOption = {.name = "--help",
                                    .short_name = "-h",
                                    .description = "Print what the program, or the command, does and takes, and exit."};
constexpr OptionSpec kVersionOption = {.name = "--version", .description = "Print the version and exit."};
constexpr OptionSpec kConfigOption = {
    .name = "--config",
    .value = "FILE",
    .kind = ValueKind::File,
    .description =
        "Read the configuration from FILE. Without this option it is /etc/keepwarm/keepwarm.toml, and if that "
        "does not exist, the built-in defaults hold."};
constexpr OptionSpec kListenOption = {
    .name = "--listen",
    .value = "ADDR:PORT",
    .kind = ValueKind::Address,
    .repeats = true,
    .description =
        "Listen here instead of where proxy.listen says; may be given several times. An address is "
        "127.0.0.1:3128, [::1]:3128 or unix:/PATH; port 0 takes a free port, which the log names."};
constexpr OptionSpec kMaxOption = {
    .name = "--max",
    .value = "DURATION",
    .kind = ValueKind::Duration,
    .description =
        "Leave connections idle for no longer than this, from 1s to 24h; without the option 2m. Connecting and "
        "waiting for answers come on top of it."};
constexpr OptionSpec kPermitOption = {
    .name = "--permit",
    .value = "NAME",
    .kind = ValueKind::Text,
    .repeats = true,
    .description =
        "A host that the CA may name: a name with all below it, or an address; may be given several times. "
        "Without this option they are the hosts that say intercept = true."};
constexpr OptionSpec kAnyHostOption = {
    .name = "--any-host",
    .description =
        "The CA may name any host: who gets hold of its key can pose as every server to whoever trusts it. "
        "Asks on the terminal whether that is meant."};
constexpr OptionSpec kDaysOption = {
    .name = "--days",
    .value = "N",
    .kind = ValueKind::Text,
    .description = "How long the CA is valid, from 1 to 3650 days; without this option 1095."};
constexpr OptionSpec kOutputOption = {.name = "--output",
                                      .value = "FILE",
                                      .kind = ValueKind::File,
                                      .description = "Write there, and leave the known place as it is."};
constexpr OptionSpec kJsonOption = {.name = "--json", .description = "Print JSON, for programs."};
constexpr OptionSpec kStoreOption = {
    .name = "--store",
    .value = "STORE",
    .kind = ValueKind::Text,
    .description =
        "Which store: system, nss (that of Chrome and Firefox, of this user), java (where it has one of its "
        "own) or all; without this option system."};
constexpr OptionSpec kDryRunOption = {.name = "--dry-run", .description = "Only say what would be done."};
constexpr OptionSpec kCaOption = {
    .name = "--ca",
    .description =
        "Also the variables that have programs trust the local CA; the proxy's address is then one whose "
        "clients are intercepted."};
constexpr OptionSpec kJavaOption = {
    .name = "--java",
    .description =
        "Also JAVA_TOOL_OPTIONS, since Java knows none of the other variables. Java says on standard error "
        "that it has picked it up."};
constexpr OptionSpec kFormatOption = {
    .name = "--format",
    .value = "FORMAT",
    .kind = ValueKind::Text,
    .description =
        "How the variables are written: sh, fish, systemd (for a unit's drop-in) or docker (for its "
        "--env-file); without this option sh."};

namespace {

constexpr auto kAlways = std::to_array<const OptionSpec*>({&kHelpOption, &kVersionOption});
constexpr auto kRunOptions = std::to_array<const OptionSpec*>({&kConfigOption, &kListenOption});
constexpr auto kConfigAlone = std::to_array<const OptionSpec*>({&kConfigOption});
constexpr auto kProbeOptions = std::to_array<const OptionSpec*>({&kMaxOption, &kConfigOption});

constexpr auto kCaCreateOptions =
    std::to_array<const OptionSpec*>({&kPermitOption, &kAnyHostOption, &kDaysOption, &kConfigOption});
constexpr auto kCaBundleOptions = std::to_array<const OptionSpec*>({&kOutputOption, &kConfigOption});

constexpr auto kCaStatusOptions = std::to_array<const OptionSpec*>({&kJsonOption, &kConfigOption});
constexpr auto kCaStoreOptions = std::to_array<const OptionSpec*>({&kStoreOption, &kDryRunOption, &kConfigOption});
constexpr auto kEnvOptions =
    std::to_array<const OptionSpec*>({&kCaOption, &kJavaOption, &kFormatOption, &kConfigOption});
constexpr auto kExecOptions = std::to_array<const OptionSpec*>({&kJavaOption, &kConfigOption});

constexpr ArgumentSpec kUrl = {.name = "URL", .kind = ValueKind::Url, .example = "http://example.com/"};

constexpr auto kRunExamples = std::to_array<Example>({
    {"keepwarm", "serve on 127.0.0.1:3128 and [::1]:3128, or as /etc/keepwarm/keepwarm.toml says"},
    {"keepwarm run --config my.toml --listen 127.0.0.1:8080", "another configuration, on another port"},
    {"keepwarm run --listen unix:/run/user/1000/proxy.sock", "serve on a unix socket"},
});
constexpr auto kCheckExamples = std::to_array<Example>({
    {"keepwarm check --config my.toml && cp my.toml /etc/keepwarm/keepwarm.toml", "install a file only if it is right"},
});
constexpr auto kExplainExamples = std::to_array<Example>({
    {"keepwarm explain https://api.example.com:8443/", "the settings for that host and port"},
    {"keepwarm explain www.example.com", "the same without a scheme: http:// and port 80"},
});
constexpr auto kProbeExamples = std::to_array<Example>({
    {"keepwarm probe https://www.example.com/", "measure, for up to two minutes of idle time"},
    {"keepwarm probe http://localhost:8080/health --max 10s", "see only whether it keeps connections for ten seconds"},
});
constexpr auto kHelpExamples = std::to_array<Example>({{"keepwarm help probe", "the same as keepwarm probe --help"}});
constexpr auto kVersionExamples = std::to_array<Example>({{"keepwarm version", "the same as keepwarm --version"}});

constexpr auto kCaCreateExamples = std::to_array<Example>({
    {"keepwarm ca create", "a CA for the hosts that say intercept = true"},
    {"keepwarm ca create --permit api.example.com --permit 192.0.2.7", "a CA for these hosts"},
});
constexpr auto kCaBundleExamples = std::to_array<Example>({
    {"keepwarm ca bundle --output /tmp/roots.pem", "all that a program should trust, in one file"},
});
constexpr auto kCaInstallExamples = std::to_array<Example>({
    {"keepwarm ca install --dry-run", "see what would be changed"},
    {"keepwarm ca install --store all", "have all programs of this machine trust the CA"},
});
constexpr auto kCaUninstallExamples = std::to_array<Example>({
    {"keepwarm ca uninstall --store all", "have none of them trust it any more"},
});
constexpr auto kCaTestExamples = std::to_array<Example>({
    {"keepwarm ca test", "try them as this shell runs them"},
    {"keepwarm exec -- keepwarm ca test", "try them with the variables of exec"},
});
constexpr auto kCaStatusExamples = std::to_array<Example>({
    {"keepwarm ca status && echo all is well", "look at the CA, and at the hosts that are intercepted"},
});
constexpr auto kEnvExamples = std::to_array<Example>({
    {"eval \"$(keepwarm env)\"", "have the programs of this shell use the proxy"},
    {"keepwarm env --ca --format systemd", "what a service's drop-in needs, trust in the local CA included"},
});
constexpr auto kExecExamples = std::to_array<Example>({
    {"keepwarm exec -- curl https://api.example.com/", "one request of a program that trusts the local CA"},
    {"keepwarm exec --java -- mvn package", "the same for a program in Java"},
});

constexpr auto kCaCommands = std::to_array<CommandSpec>({
    {.name = "create",
     .command = Command::CaCreate,
     .summary = "make a CA, or a further generation of it",
     .description =
         "Make a local CA in the folder that the configuration names: a root and an issuer, both constrained to the "
         "hosts that may be named. The root's key is destroyed at once; who steals the issuer's can pose as those "
         "hosts to who trusts the CA, and as no other. No store of the system is changed.\n\n"
         "Beside a CA that is there, a further generation is made. The oldest one that may name a host goes on signing "
         "for it until 14 days before its end, so adding a host and renewing are the same, and no client fails. What "
         "everybody may read goes into the folder beside, whose name ends in -public: the certificates, and "
         "bundle.pem. "
         "Run by root where systemd is, it also has the service be handed the key; that takes a restart.",
     .options = kCaCreateOptions,
     .examples = kCaCreateExamples},
    {.name = "install",
     .command = Command::CaInstall,
     .summary = "have a store of authorities trust the CA",
     .description = "Have a store of authorities trust all roots of the CA, by its own tools, and say what is run. For "
                    "programs that follow no variable; see exec for those that do. Exit with 1 if a store failed.",
     .options = kCaStoreOptions,
     .examples = kCaInstallExamples},
    {.name = "uninstall",
     .command = Command::CaUninstall,
     .summary = "take the CA out of a store again",
     .description = "Take the roots of the CA out of a store again. Exit with 1 if a store failed.",
     .options = kCaStoreOptions,
     .examples = kCaUninstallExamples},
    {.name = "bundle",
     .command = Command::CaBundle,
     .summary = "write the system's authorities and ours into one file",
     .description =
         "Write a file with the authorities of the system, or those of the file that SSL_CERT_FILE names, and all our "
         "roots: for programs that take one file of authorities instead of the system's. It is made anew by ca create; "
         "this does so after the system's authorities have changed, or after files of a CA were put there by hand.",
     .options = kCaBundleOptions,
     .examples = kCaBundleExamples},
    {.name = "status",
     .command = Command::CaStatus,
     .summary = "show the CA, and which hosts it may name",
     .description =
         "Show each generation of the local CA: whom it may name, until when, its fingerprint, and whether its key is "
         "there; and for each host that says intercept = true which generation signs. Exit with 1 if something is "
         "wrong: no CA, files that are of no use, an end within 14 days, a host that may not be named.",
     .options = kCaStatusOptions,
     .examples = kCaStatusExamples},
    {.name = "test",
     .command = Command::CaTest,
     .summary = "try which programs trust the CA",
     .description =
         "Have each known program of this machine (curl, wget, Python, requests, pip, git, Node.js, npm, PHP, Java, "
         "Ruby, Perl, Go) make one request, as this shell would run it, and say whether it trusts the CA, and what to "
         "do "
         "if not. The requests end at a listener on loopback with a certificate for HOST, or for the first host that "
         "the "
         "CA may name; nothing leaves the machine. It needs to read the CA's key. Exit with 1 if a program refuses.",
     .argument = {.name = "HOST", .kind = ValueKind::Text, .optional = true},
     .options = kConfigAlone,
     .examples = kCaTestExamples},
});

constexpr auto kCommands = std::to_array<CommandSpec>({
    {.name = "run",
     .command = Command::Run,
     .summary = "run the proxy in the foreground; this is also what happens without a command",
     .description = "Run the proxy in the foreground until SIGTERM or SIGINT. SIGHUP reads the configuration again.",
     .options = kRunOptions,
     .examples = kRunExamples},
    {.name = "check",
     .command = Command::Check,
     .summary = "validate the configuration",
     .description = "Validate the configuration. Print a summary and exit with 0 if it is right; else exit with 1 and "
                    "print every error with file, line, column and key, what is wrong, and what is allowed.",
     .options = kConfigAlone,
     .examples = kCheckExamples},
    {.name = "explain",
     .command = Command::Explain,
     .summary = "show the settings in force for a URL, and where each comes from",
     .description =
         "Show the settings in force for a URL, the table of the configuration that each one comes from, where "
         "connections for that host lead, and what all this means for its idle connections.",
     .argument = kUrl,
     .options = kConfigAlone,
     .examples = kExplainExamples},
    {.name = "probe",
     .command = Command::Probe,
     .summary = "measure how long a server keeps idle connections",
     .description =
         "Measure how long the server of a URL keeps an idle connection: open eight, send a GET on each, and wait "
         "until the server closes those that are left alone; the others are used again after 0.5 s, 1 s, 2 s "
         "and so on, to see whether they still answer. Print what was seen, and a table for that host to paste "
         "into the configuration.\n\n"
         "The way to the server (TLS, parent, connect_to) is the configuration's. Ctrl-C prints what is known so far. "
         "Exit with 1 if the server cannot be reached or gives no answer.",
     .argument = kUrl,
     .options = kProbeOptions,
     .examples = kProbeExamples},
    {.name = "ca",
     .command = std::nullopt,
     .summary = "the local CA that interception of HTTPS takes",
     .description = "The local CA that interception of HTTPS takes, and what clients need to trust it.",
     .examples = kCaCreateExamples,
     .subcommands = kCaCommands},
    {.name = "env",
     .command = Command::Env,
     .summary = "print the variables that have programs use the proxy",
     .description =
         "Print the variables that have programs use the proxy; with --ca also those that have them trust the local "
         "CA, "
         "all of them together, since an older value of one hides another. PHP's curl, wget and Java follow no "
         "variable: they need --java, or the CA in the system's store.",
     .options = kEnvOptions,
     .examples = kEnvExamples},
    {.name = "exec",
     .command = Command::Exec,
     .summary = "run a program that uses the proxy and trusts the local CA",
     .description = "Run a program with the variables of env --ca: it and what it starts trust the local CA, and no "
                    "store is changed. Exit as that program does; with 127 if it is not found, and with 126 if it "
                    "cannot be run.",
     .argument = {.name = "COMMAND",
                  .kind = ValueKind::Text,
                  .repeats = true,
                  .example = "-- curl https://api.example.com/",
                  .behind_options = true},
     .options = kExecOptions,
     .examples = kExecExamples},
    {.name = "help",
     .command = Command::Help,
     .summary = "print help about the program or one command",
     .description = "Print help about the program or one command.",
     .argument = {.name = "COMMAND", .kind = ValueKind::CommandName, .optional = true, .repeats = true},
     .examples = kHelpExamples},
    {.name = "version",
     .command = Command::Version,
     .summary = "print the version",
     .description = "Print the version.",
     .examples = kVersionExamples},
});

constexpr auto kNotBuilt = std::to_array<std::string_view>({"status"});

constexpr ProgramSpec kProgram = {.name = "keepwarm",
                                  .summary = "a local forward proxy that keeps upstream connections warm",
                                  .options = kAlways,
                                  .commands = kCommands,
                                  .not_built = kNotBuilt};

constexpr auto kExitCodes = std::to_array<ExitCodeSpec>({
    {kDone, "done"},
    {kInputWrong, "the input or the configuration is wrong"},
    {kUsageWrong, "the command line is wrong"},
    {kCannotServe, "the daemon cannot start"},
});

}  // namespace

const ProgramSpec& program() noexcept {
  return kProgram;
}

std::span<const ExitCodeSpec> exit_codes() noexcept {
  return kExitCodes;
}

std::string_view program_version() noexcept {
  return KEEPWARM_VERSION;
}

}  // namespace keepwarm::daemon
