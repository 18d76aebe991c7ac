namespace FastRelay.EndToEnd.Rig.Servers;

/// <summary>OpenSMTPD in a chroot of its own.</summary>
public sealed class OpenSmtpdServer : MailServer
{
    public OpenSmtpdServer(MailServerOptions options)
        : base("opensmtpd")
    {
        Tool.Run(Path.Combine(Place.Root, "eng", "peer-root"), [Folder, "opensmtpd", "opensmtpd"]).Ok();
        foreach ((string user, int id) in ((string, int)[])[("opensmtpd", 901), ("opensmtpq", 902)])
        {
            File.AppendAllText(Path.Combine(Folder, "etc/passwd"), $"{user}:x:{id}:{id}::/var/empty:/bin/false\n");
            File.AppendAllText(Path.Combine(Folder, "etc/group"), $"{user}:x:{id}:\n");
        }
        Tool.Run("chgrp", ["902", Path.Combine(Folder, "usr/sbin/smtpctl")]).Ok();
        Tool.Run("chmod", ["2755", Path.Combine(Folder, "usr/sbin/smtpctl")]).Ok();
        bool tls = options.CertificateFile is not null;
        if (tls)
        {
            File.Copy(options.CertificateFile!, Path.Combine(Folder, "etc/own.crt"));
            File.Copy(options.KeyFile!, Path.Combine(Folder, "etc/own.key"));
            Tool.Run("chmod", ["600", Path.Combine(Folder, "etc/own.key")]).Ok();
        }
        File.WriteAllText(Path.Combine(Folder, "etc/smtpd.conf"), $"""
            {(tls ? "pki own cert \"/etc/own.crt\"\npki own key \"/etc/own.key\"" : "")}
            listen on 127.0.0.1 port {Port} {(tls ? "tls pki own " : "")}hostname opensmtpd.test
            {(tls ? $"listen on 127.0.0.1 port {TlsPort} smtps pki own hostname opensmtpd.test" : "")}
            smtp max-message-size "{options.MessageBytes}"
            mta limit conn-delay-host 0
            mta limit conn-delay-route 0
            mta limit conn-delay-source 0
            mta limit conn-delay-connector 0
            mta limit conn-delay-relay 0
            mta limit conn-delay-domain 0
            mta limit session-transaction-delay 0
            action "out" relay host "smtp://{options.Sink.Address}:{options.Sink.Port}"
            match from any for rcpt-to "{Refused}" reject
            match from any for any action "out"

            """);
        Directory.CreateDirectory(Path.Combine(Folder, "var/spool/smtpd"));
        Tool.Run("chmod", ["711", Path.Combine(Folder, "var/spool/smtpd")]).Ok();
        Run("setsid", ["chroot", Folder, "/usr/sbin/smtpd", "-d", "-f", "/etc/smtpd.conf"]);
    }
}
