namespace FastRelay.Smtp;

/// <summary>The parameters of RCPT TO (RFC 5321 4.1.1.11). No extension with one is offered yet, so each well-formed one is answered 555.</summary>
public readonly struct RcptParameters
{
    /// <summary>Parses what follows the path of RCPT TO, with its leading space.</summary>
    public static ParameterStatus TryParse(ReadOnlySpan<byte> rest, out RcptParameters parameters)
    {
        parameters = default;
        var reader = new ParameterReader(rest);
        if (!reader.Next(out _, out _, out var malformed))
        {
            return ParameterStatus.Ok;
        }

        return malformed ? ParameterStatus.Syntax : ParameterStatus.Unknown;
    }
}
