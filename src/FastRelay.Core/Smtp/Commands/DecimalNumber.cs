namespace FastRelay.Smtp;

/// <summary>Counts of octets as commands write them: digits only, as large as a client likes to claim.</summary>
internal static class DecimalNumber
{
    /// <summary>Reads a number; one that does not fit says <see cref="long.MaxValue"/>, which is over any limit.</summary>
    /// <param name="text">Nothing but digits.</param>
    /// <param name="digitsMax">Most digits; more is no number.</param>
    /// <param name="number">0 when false.</param>
    internal static bool TryParse(ReadOnlySpan<byte> text, int digitsMax, out long number)
    {
        number = 0;
        if (text.IsEmpty || text.Length > digitsMax || text.ContainsAnyExceptInRange((byte)'0', (byte)'9'))
        {
            return false;
        }

        foreach (var digit in text)
        {
            // Once it does not fit it never does again: long.MaxValue is above the bound for every digit.
            var value = digit - '0';
            number = number > (long.MaxValue - value) / 10 ? long.MaxValue : (number * 10) + value;
        }

        return true;
    }
}
