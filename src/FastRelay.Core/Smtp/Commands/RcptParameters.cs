using System.Buffers;

namespace FastRelay.Smtp;

/// <summary>When a sender wants to hear of a recipient (RFC 3461 4.1).</summary>
[Flags]
public enum NotifyOn : byte
{
    /// <summary>Not given: failures, and long delays where a host reports those.</summary>
    Unspecified = 0,

    /// <summary>NOTIFY=NEVER, which stands alone.</summary>
    Never = 1,

    /// <summary>NOTIFY=SUCCESS.</summary>
    Success = 2,

    /// <summary>NOTIFY=FAILURE.</summary>
    Failure = 4,

    /// <summary>NOTIFY=DELAY.</summary>
    Delay = 8,
}

/// <summary>The parameters of RCPT TO (RFC 5321 4.1.1.11): NOTIFY and ORCPT (RFC 3461 4.1, 4.2) where DSN is offered, else none.</summary>
public ref struct RcptParameters
{
    private static readonly SearchValues<byte> s_noAtom = SearchValues.Create("()<>@,:\\\".[]+"u8);

    /// <summary>When to report.</summary>
    public NotifyOn Notify { get; private set; }

    /// <summary>
    /// The original recipient as given, <c>addr-type;xtext</c>, or UTF-8 in place of the xtext where the type is utf-8 (RFC 6533 3); at
    /// most 500 octets; empty when not given.
    /// </summary>
    public ReadOnlySpan<byte> OriginalRecipient { get; private set; }

    /// <summary>Parses when no extension with a parameter is offered.</summary>
    public static ParameterStatus TryParse(ReadOnlySpan<byte> rest, out RcptParameters parameters) => TryParse(rest, SmtpExtensions.None, out parameters);

    /// <summary>Parses what follows the path of RCPT TO, with its leading space.</summary>
    /// <param name="rest">The text.</param>
    /// <param name="offered">What EHLO offered; SMTPUTF8 only where MAIL has said it.</param>
    /// <param name="parameters">The values; default unless Ok.</param>
    public static ParameterStatus TryParse(ReadOnlySpan<byte> rest, SmtpExtensions offered, out RcptParameters parameters)
    {
        parameters = default;
        var found = default(RcptParameters);
        var utf8 = (offered & SmtpExtensions.SmtpUtf8) != 0;
        var reader = new ParameterReader(rest, utf8);
        while (reader.Next(out var keyword, out var value, out var malformed))
        {
            if (malformed)
            {
                return ParameterStatus.Syntax;
            }

            if ((offered & SmtpExtensions.Dsn) == 0)
            {
                return ParameterStatus.Unknown;
            }

            if (AsciiWord.Equals(keyword, "NOTIFY"u8))
            {
                if (found.Notify != NotifyOn.Unspecified || !TryParseNotify(value, out var notify))
                {
                    return ParameterStatus.Syntax;
                }

                found.Notify = notify;
            }
            else if (AsciiWord.Equals(keyword, "ORCPT"u8))
            {
                if (!found.OriginalRecipient.IsEmpty || !IsOriginalRecipient(value, utf8))
                {
                    return ParameterStatus.Syntax;
                }

                found.OriginalRecipient = value;
            }
            else
            {
                return ParameterStatus.Unknown;
            }
        }

        parameters = found;
        return ParameterStatus.Ok;
    }

    private static bool TryParseNotify(ReadOnlySpan<byte> value, out NotifyOn notify)
    {
        notify = NotifyOn.Unspecified;
        while (true)
        {
            var comma = value.IndexOf((byte)',');
            var word = comma < 0 ? value : value[..comma];
            var one = AsciiWord.Equals(word, "NEVER"u8) ? NotifyOn.Never
                : AsciiWord.Equals(word, "SUCCESS"u8) ? NotifyOn.Success
                : AsciiWord.Equals(word, "FAILURE"u8) ? NotifyOn.Failure
                : AsciiWord.Equals(word, "DELAY"u8) ? NotifyOn.Delay
                : NotifyOn.Unspecified;
            if (one == NotifyOn.Unspecified || (notify & one) != 0)
            {
                return false;
            }

            notify |= one;
            if (comma < 0)
            {
                return notify == NotifyOn.Never || (notify & NotifyOn.Never) == 0;
            }

            value = value[(comma + 1)..];
        }
    }

    private static bool IsOriginalRecipient(ReadOnlySpan<byte> value, bool utf8)
    {
        var semicolon = value.IndexOf((byte)';');
        return semicolon > 0 && value.Length <= Xtext.OriginalRecipientMax
            && !value[..semicolon].ContainsAny(s_noAtom) && System.Text.Ascii.IsValid(value[..semicolon])
            && (Xtext.IsPrintable(value[(semicolon + 1)..]) || (utf8 && Utf8Address.IsTypeOf(value) && Utf8Address.IsUnitext(value[(semicolon + 1)..])));
    }
}
