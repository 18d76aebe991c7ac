namespace FastRelay.Smtp;

/// <summary>Dates as message headers write them (RFC 5322 3.3): <c>Tue, 25 Nov 2025 00:36:00 +0000</c>.</summary>
public static class MailDate
{
    /// <summary>Octets of a date; always the same.</summary>
    public const int Length = 31;

    /// <summary>Writes a date with its numeric zone. No allocation, no culture.</summary>
    /// <returns>False when <paramref name="destination"/> is shorter than <see cref="Length"/>.</returns>
    public static bool TryFormat(DateTimeOffset time, Span<byte> destination, out int written)
    {
        written = 0;
        if (destination.Length < Length)
        {
            return false;
        }

        "SunMonTueWedThuFriSat"u8.Slice((int)time.DayOfWeek * 3, 3).CopyTo(destination);
        ", "u8.CopyTo(destination[3..]);
        WriteTwo(destination[5..], time.Day);
        destination[7] = (byte)' ';
        "JanFebMarAprMayJunJulAugSepOctNovDec"u8.Slice((time.Month - 1) * 3, 3).CopyTo(destination[8..]);
        destination[11] = (byte)' ';
        WriteTwo(destination[12..], time.Year / 100);
        WriteTwo(destination[14..], time.Year % 100);
        destination[16] = (byte)' ';
        WriteTwo(destination[17..], time.Hour);
        destination[19] = (byte)':';
        WriteTwo(destination[20..], time.Minute);
        destination[22] = (byte)':';
        WriteTwo(destination[23..], time.Second);
        destination[25] = (byte)' ';
        var minutes = (int)time.Offset.TotalMinutes;
        destination[26] = minutes < 0 ? (byte)'-' : (byte)'+';
        minutes = Math.Abs(minutes);
        WriteTwo(destination[27..], minutes / 60);
        WriteTwo(destination[29..], minutes % 60);
        written = Length;
        return true;
    }

    private static void WriteTwo(Span<byte> destination, int value)
    {
        destination[0] = (byte)('0' + (value / 10));
        destination[1] = (byte)('0' + (value % 10));
    }
}
