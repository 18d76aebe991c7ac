namespace FastRelay.Smtp;

/// <summary>What may be a user's name and a password, whichever side of AUTH we are (RFC 4013 leaves ASCII as it is).</summary>
public static class SaslText
{
    /// <summary>Most octets of a name, and of a password.</summary>
    public const int OctetsMax = 255;

    /// <summary>True for what may be a user's name: printable ASCII without a space, 1 to 255 characters.</summary>
    public static bool IsName(string text) => text.Length is > 0 and <= OctetsMax && text.AsSpan().IndexOfAnyExceptInRange('!', '~') < 0;

    /// <summary>True for what may be a password: printable ASCII and spaces, 1 to 255 characters, so that every mechanism and client means the same octets by it.</summary>
    public static bool IsPassword(string text) => text.Length is > 0 and <= OctetsMax && text.AsSpan().IndexOfAnyExceptInRange(' ', '~') < 0;
}
