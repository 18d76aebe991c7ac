namespace FastRelay.Smtp;

/// <summary>The first word of a command line (RFC 5321 4.1.1 and its extensions).</summary>
public enum Verb : byte
{
    /// <summary>No command that this grammar knows (500 5.5.1).</summary>
    Unknown,

    /// <summary>EHLO, RFC 5321 4.1.1.1.</summary>
    Ehlo,

    /// <summary>HELO, RFC 5321 4.1.1.1.</summary>
    Helo,

    /// <summary>MAIL FROM:, RFC 5321 4.1.1.2.</summary>
    Mail,

    /// <summary>RCPT TO:, RFC 5321 4.1.1.3.</summary>
    Rcpt,

    /// <summary>DATA, RFC 5321 4.1.1.4.</summary>
    Data,

    /// <summary>BDAT, RFC 3030 2.</summary>
    Bdat,

    /// <summary>RSET, RFC 5321 4.1.1.5.</summary>
    Rset,

    /// <summary>NOOP, RFC 5321 4.1.1.9.</summary>
    Noop,

    /// <summary>VRFY, RFC 5321 4.1.1.6.</summary>
    Vrfy,

    /// <summary>EXPN, RFC 5321 4.1.1.7.</summary>
    Expn,

    /// <summary>HELP, RFC 5321 4.1.1.8.</summary>
    Help,

    /// <summary>QUIT, RFC 5321 4.1.1.10.</summary>
    Quit,

    /// <summary>STARTTLS, RFC 3207 4.</summary>
    StartTls,

    /// <summary>AUTH, RFC 4954 4.</summary>
    Auth,

    /// <summary>ETRN, RFC 1985.</summary>
    Etrn,

    /// <summary>TURN, RFC 821 3.8; unsafe, always refused (RFC 5321 F.1).</summary>
    Turn,

    /// <summary>SEND, SOML or SAML, RFC 821 3.4; always refused (RFC 5321 F.6).</summary>
    Send,

    /// <summary>An HTTP method or a PROXY header: another protocol speaks here and the session is closed.</summary>
    HttpLike,
}
