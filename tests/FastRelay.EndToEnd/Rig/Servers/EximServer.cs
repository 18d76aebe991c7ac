namespace FastRelay.EndToEnd.Rig.Servers;

/// <summary>Exim in a chroot of its own. It delivers each message at once.</summary>
public sealed class EximServer : MailServer
{
    private const int User = 911;

    public EximServer(MailServerOptions options)
        : base("exim")
    {
        Tool.Run(Path.Combine(Place.Root, "eng", "peer-root"), [Folder, "exim", "exim4-daemon-light"]).Ok();
        File.AppendAllText(Path.Combine(Folder, "etc/passwd"), $"Debian-exim:x:{User}:{User}::/var/empty:/bin/false\n");
        File.AppendAllText(Path.Combine(Folder, "etc/group"), $"Debian-exim:x:{User}:\n");
        Directory.CreateDirectory(Path.Combine(Folder, "etc/exim4"));
        bool tls = options.CertificateFile is not null;
        if (tls)
        {
            File.Copy(options.CertificateFile!, Path.Combine(Folder, "etc/exim4/own.crt"));
            File.Copy(options.KeyFile!, Path.Combine(Folder, "etc/exim4/own.key"));
        }
        string clients = "";
        if (options.ClientAuthorityFile is { } authority)
        {
            File.Copy(authority, Path.Combine(Folder, "etc/exim4/clients.crt"));
            clients = $"tls_verify_certificates = /etc/exim4/clients.crt\n{(options.DemandsCertificate ? "tls_verify_hosts" : "tls_try_verify_hosts")} = *";
        }
        File.WriteAllText(Path.Combine(Folder, "etc/exim4/exim4.conf"), $"""
            primary_hostname = exim.test
            local_interfaces = 127.0.0.1
            daemon_smtp_ports = {Port}{(tls ? $" : {TlsPort}\ntls_on_connect_ports = {TlsPort}\ntls_certificate = /etc/exim4/own.crt\ntls_privatekey = /etc/exim4/own.key" : "")}
            tls_advertise_hosts = {(tls ? "*" : "")}
            {clients}
            dsn_advertise_hosts = *
            disable_ipv6 = true
            host_lookup =
            rfc1413_query_timeout = 0s
            smtp_accept_queue_per_connection = 0
            message_size_limit = {options.MessageBytes}
            log_file_path = /var/log/%slog
            log_selector = +smtp_connection +tls_cipher
            acl_smtp_rcpt = rcpt
            begin acl
            rcpt:
              deny message = not this one
                recipients = {Refused}
              accept
            begin routers
            sink:
              driver = manualroute
              route_list = * {options.Sink.Address}
              self = send
              transport = sink
            begin transports
            sink:
              driver = smtp
              port = {options.Sink.Port}
              allow_localhost = true
              hosts_avoid_tls = *
              message_linelength_limit = 1000000
            begin retry
            * * F,1d,1s

            """);
        foreach (string folder in (string[])["var/log", "var/spool/exim4"])
        {
            Directory.CreateDirectory(Path.Combine(Folder, folder));
            Tool.Run("chown", [$"{User}:{User}", Path.Combine(Folder, folder)]).Ok();
        }
        Run("setsid", ["chroot", Folder, "/usr/sbin/exim4", "-bdf", "-q1s"]);
    }

    public override string Log => string.Concat(((string[])["mainlog", "rejectlog", "paniclog"]).Select(name => Path.Combine(Folder, "var/log", name)).Where(File.Exists).Select(File.ReadAllText)) + base.Log;
}
