namespace FastRelay.EndToEnd.Rig.Servers;

/// <summary>Postfix, by <c>eng/postfix</c>.</summary>
public sealed class PostfixServer : MailServer
{
    /// <param name="options">How.</param>
    /// <param name="port">Where it listens, when that has to be known before; 0 for a free one.</param>
    public PostfixServer(MailServerOptions options, int port = 0)
        : base("postfix", port)
    {
        string more = Path.Combine(Folder, "more.cf");
        File.WriteAllText(more, $$"""
            message_size_limit = {{options.MessageBytes}}
            smtpd_recipient_restrictions = check_recipient_access inline:{{{Refused}}=REJECT}, permit_mynetworks, reject

            """ + (options.CertificateFile is null ? "" : $"""
            smtpd_tls_security_level = {(options.DemandsCertificate ? "encrypt" : "may")}
            smtpd_tls_{(options.DemandsCertificate ? "req" : "ask")}_ccert = {(options.ClientAuthorityFile is null ? "no" : "yes")}
            smtpd_tls_CAfile = {options.ClientAuthorityFile}
            smtpd_tls_cert_file = {options.CertificateFile}
            smtpd_tls_key_file = {options.KeyFile}
            smtpd_tls_received_header = yes
            smtpd_tls_loglevel = 1
            smtpd_tls_session_cache_database =

            """));
        var variables = new List<string> { $"POSTFIX_MORE={more}" };
        if (options.CertificateFile is not null)
        {
            variables.Add($"POSTFIX_SMTPS={TlsPort}");
        }
        Run("env", [.. variables, Path.Combine(Place.Root, "eng", "postfix"), Folder, $"{Port}", $"[{options.Sink.Address}]:{options.Sink.Port}"]);
    }

    public override string Log => File.Exists(Path.Combine(Folder, "log")) ? File.ReadAllText(Path.Combine(Folder, "log")) : base.Log;
}
