using System.Text;
using FastRelay.Config;

namespace FastRelay.Host.Commands;

/// <summary>A page of <c>fastrelay help</c>.</summary>
/// <param name="Title">In a few words.</param>
/// <param name="Text">Makes the page.</param>
internal sealed record HelpTopic(string Title, Func<string> Text);

/// <summary>The pages: what docs/OPERATIONS.md says in full, for a host that has nothing but the program.</summary>
internal static class HelpTopics
{
    /// <summary>By name, in the order in which somebody needs them.</summary>
    public static IReadOnlyDictionary<string, HelpTopic> All { get; } = new Dictionary<string, HelpTopic>
    {
        ["start"] = new("From nothing to the first mail", () => """
            fastrelay serve                      relays for this host: SMTP on 127.0.0.1:2525, mail goes where DNS says
            fastrelay queue list                 what waits, and why
            fastrelay explain example.com        where its mail goes, and what holds it up

            Write relay.toml (fastrelay help config), look at it with fastrelay check --config relay.toml, and run
            fastrelay serve --config relay.toml. Before real mail: hostname is the full name of the host, its address leads
            back to that name (PTR), and port 25 is open to the outside. Nobody may relay but those under [[relay_for]].
            """),
        ["config"] = new("Every key of the configuration", ConfigReference.Plain),
        ["reload"] = new("Changing it while it runs", () => """
            fastrelay check --config F           every error with file, line and key; what is in force as TOML
            fastrelay check --config F --diff    what a reload would change
            fastrelay reload --config F          or SIGHUP, or systemctl reload: all of it or nothing

            Sessions under way keep what they began with. What needs a restart is named in the answer. A file with an error
            changes nothing. Files of an include are read again too; certificates and users are looked at every two seconds.
            """),
        ["queue"] = new("Looking into the queue and changing it", () => $$"""
            fastrelay queue list --state deferred --domain example.com
            fastrelay queue show ID              one message; fastrelay explain ID says what it waits for
            fastrelay queue top                  the busiest sites, live
            fastrelay queue retry, hold, release, remove, bounce, move
            fastrelay queue suspend --site google.com --for 2h     or --tenant NAME, --source NAME

            A change takes ids, or --sender, --domain, --site, --tenant, --state, --older, or --all. remove tells nobody, bounce
            tells the sender (--text "5.2.1 why"). move sends mail to another next hop (--to smtp:[host]:port, route:PATTERN for a
            row of [[route]], config for back); mail that comes later goes as before.
            States: {{string.Join(", ", FastRelay.Host.Admin.QueueStates.All)}}. ready waits for a
            turn, for DNS or for its site; deferred for its next attempt; ending is being failed or removed.
            """),
        ["routes"] = new("Where mail goes", () => """
            [[route]]
            domain = "example.com"               # ".example.com" for what is below, "*" for all; the first match counts
            to = "smtp:[relay.example.net]:587"  # that host; smtp:example.net is the MX hosts of that domain, mx: of the recipient's own
                                                 # (as without a route); discard:, error:5.1.2 text
            user = "me"                          # AUTH, inside TLS only
            password_file = "password"           # its first line; or password_env = "VARIABLE"

            Without a matching route the domain's MX hosts are asked of DNS. Hosts that several domains share are one site:
            connections and backoff belong to it. The sites of a provider (Google, Microsoft 365, a [[provider]] of yours) share
            sessions and rates. [[site]] bounds them, [[reply_rule]] says what their replies do.
            fastrelay explain DOMAIN shows the whole way; with --try the host's own words.
            """),
        ["tenants"] = new("Whose mail it is, and the addresses it leaves from", () => $$"""
            [[tenant]]
            name = "acme"                        # at a site tenants with ready mail take turns, "weight" messages each
            source = "bulk"                      # a source or pool; a [[route]]'s source counts more, [deliver]'s less
            [[source]]
            name = "out1"
            address = ["192.0.2.1", "2001:db8::1"]
            ehlo = "out1.example.net"            # as the addresses' PTR says
            [[pool]]
            name = "bulk"                        # each message leaves from one of its sources, by their weight
            sources = ["out1", "out2"]

            A tenant's high mail goes before its normal, that before its low (priority in [[tenant]], [[listen]], [[relay_for]],
            a header field); one in ten is of what waits below. bounce = "event" mails no reports: the failed event is the notice.

            A message's tenant is what its header field says (tenant_header), else what its [[relay_for]] row says, else its
            user, else its listener's tenant. Connections, rates and backoff belong to a site and a source together.

            fastrelay queue list --tenant acme
            fastrelay queue suspend --tenant acme          its mail waits, and nobody else's
            fastrelay queue suspend --source out1          everywhere; --site mx.example.com/out1 at one site
            fastrelay check --config F --network           every source: port 25, name and PTR
            """),
        ["dns"] = new("Name servers and the cache", () => """
            [dns] servers = ["127.0.0.1"], else those of /etc/resolv.conf, read again when it changes. A resolver on this host is best.

            A server that does not answer costs one query its [dns] timeout and is then asked last for half a minute;
            fastrelay check --network names it. Replies that are no answer to what was asked are passed over and counted
            (dns_ignored_total).

            Answers are kept for their TTL within bounds (dns_ttl_floor, dns_ttl_cap, dns_negative_ttl_cap), as many as
            dns_cache_entries and dns_cache_bytes have room for; while no server answers, outdated ones serve on. A host that
            DNS leads to a private or loopback address is refused unless deliver.allow_private. deliver.families says whether
            IPv4 or IPv6 addresses are tried first, or only. A null MX fails mail at once. fastrelay explain DOMAIN shows what
            the cache knows.
            """),
        ["tls"] = new("Certificates, in and out", () => """
            [tls] certificate and key (PEM) let every listener offer STARTTLS; [[tls.also]] has more names (SNI).
            tls = "implicit" in [[listen]] begins with TLS (port 465). Renewed files are noticed within two seconds.

            Out: deliver.tls or a route's tls is none, opportunistic (used when offered, not verified, clear when it fails),
            required, verified (the host's name, by [tls] ca or the system's bundle), or for routes implicit.
            [[site]] tls says it for hosts, in place of deliver.tls; what a route says itself it makes stricter, never less.
            client_certificate and client_key of a route (PEM) say who we are to its hosts that ask.
            What is not met defers mail and never fails it. Issuers that a host does not send are not fetched.
            fastrelay explain DOMAIN shows what holds and which of them says so.
            """),
        ["auth"] = new("Users and clients' certificates", () => """
            fastrelay user add --file users NAME writes a line with a salted verifier; [auth] users = "users" names the file, and
            [[relay_for]] users = true lets them relay. PLAIN, LOGIN and SCRAM-SHA-256, inside TLS only.
            [[relay_for]] certificates = ["sha256:..."] names clients' certificates whose owners may relay.
            """),
        ["limits"] = new("Every bound, with its default", () =>
        {
            var text = new StringBuilder();
            var usual = new Limits();
            foreach (LimitRow row in LimitTable.Rows)
            {
                text.Append(System.Globalization.CultureInfo.InvariantCulture, $"  {row.Key,-30} {row.Format(row.Get(usual)),12}   {row.Format(row.Min)} to {row.Format(row.Max)}\n      {LimitTexts.All.GetValueOrDefault(row.Key)}\n");
            }
            return text.Append("\nUnder [limits]. fastrelay check prints the memory that they add up to.").ToString();
        }),
        ["logs"] = new("The log, events and traces", () => """
            Standard output has one key=value line an event, beginning with ts, level and event. A reader that stops blocks
            nothing: lines past 1 MiB are dropped and counted. docs/LOG.md has every line and field.

            [events] file = "events.ndjson" has a JSON line for each acceptance, delivery, deferral, failure and bounce; a gap
            says how many are missing. Rotate by rename and SIGHUP.

            fastrelay trace shows dialogues while they happen (--peer, --domain, --id), secrets masked.
            """),
        ["admin"] = new("HTTP, socket, metrics", () => """
            [admin] http = "127.0.0.1:2580"      page at /, /healthz, /metrics (Prometheus), /api, /openapi.json
            [admin] socket = "..."               the same by a unix socket: file permissions say who may
            [admin] token_file or token_env      asked for at http; must be there when it is no loopback address

            The commands find address, socket and token in the same --config.
            """),
        ["disk"] = new("The spool", () => """
            250 is said only after the message is on disk. The spool wants a local, journalled file system (ext4, xfs), one
            process at a time. On a full disk new mail is told 452 and delivery goes on. Copy it only while no relay runs.

            fastrelay journal verify SPOOL       reads every record and names what is damaged
            fastrelay journal export SPOOL       what is queued, as JSON lines and files, without a running relay
            """),
    };
}
