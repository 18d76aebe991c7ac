namespace FastRelay.Smtp;

/// <summary>Service extensions that an EHLO reply offers (RFC 5321 2.2).</summary>
[Flags]
public enum SmtpExtensions : ushort
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>PIPELINING, RFC 2920.</summary>
    Pipelining = 1 << 0,

    /// <summary>8BITMIME, RFC 6152.</summary>
    EightBitMime = 1 << 1,

    /// <summary>STARTTLS, RFC 3207.</summary>
    StartTls = 1 << 2,

    /// <summary>ENHANCEDSTATUSCODES, RFC 2034.</summary>
    EnhancedStatusCodes = 1 << 3,

    /// <summary>CHUNKING, RFC 3030.</summary>
    Chunking = 1 << 4,

    /// <summary>SMTPUTF8, RFC 6531.</summary>
    SmtpUtf8 = 1 << 5,

    /// <summary>DSN, RFC 3461.</summary>
    Dsn = 1 << 6,

    /// <summary>SIZE, RFC 1870; with or without a limit.</summary>
    Size = 1 << 7,

    /// <summary>AUTH, RFC 4954.</summary>
    Auth = 1 << 8,

    /// <summary>BINARYMIME, RFC 3030.</summary>
    BinaryMime = 1 << 9,

    /// <summary>REQUIRETLS, RFC 8689.</summary>
    RequireTls = 1 << 10,
}

/// <summary>SASL mechanisms named by AUTH (RFC 4954 3) that this program knows.</summary>
[Flags]
public enum AuthMechanisms : byte
{
    /// <summary>None known.</summary>
    None = 0,

    /// <summary>PLAIN, RFC 4616.</summary>
    Plain = 1 << 0,

    /// <summary>LOGIN, a draft that everyone offers.</summary>
    Login = 1 << 1,

    /// <summary>CRAM-MD5, RFC 2195.</summary>
    CramMd5 = 1 << 2,

    /// <summary>SCRAM-SHA-256, RFC 7677.</summary>
    ScramSha256 = 1 << 3,

    /// <summary>XOAUTH2, as large providers define it.</summary>
    XOAuth2 = 1 << 4,
}
