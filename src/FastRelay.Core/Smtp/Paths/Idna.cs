using System.Buffers;
using System.Text;

namespace FastRelay.Smtp;

/// <summary>
/// U-labels to A-labels (RFC 5891 5, RFC 3492), strictly: no mapping but of ASCII letters to lower case, no guessing. A
/// label with a code point that needs its context or a normaliser to be judged (<see cref="IdnaTables"/>) is refused.
/// </summary>
public static class Idna
{
    private const int LabelRunesMax = 63;
    private const int FirstNonAscii = 0x80;

    /// <summary>Writes a domain with every U-label as its A-label; labels in ASCII stay as they are.</summary>
    /// <param name="domain">Clean UTF-8 with dots between labels (<see cref="DomainName.IsValid(ReadOnlySpan{byte}, bool)"/>).</param>
    /// <param name="into">At least <see cref="DomainName.LengthMax"/> octets.</param>
    /// <param name="written">Octets written.</param>
    /// <returns>False when a label is none by IDNA2008, or the result is too long (553 5.6.7).</returns>
    public static bool TryToAscii(ReadOnlySpan<byte> domain, Span<byte> into, out int written)
    {
        written = 0;
        Span<int> runes = stackalloc int[LabelRunesMax];
        bool isBidi = false;
        for (ReadOnlySpan<byte> rest = domain; ;)
        {
            int dot = rest.IndexOf((byte)'.');
            ReadOnlySpan<byte> label = dot < 0 ? rest : rest[..dot];
            bool isAscii = !label.ContainsAnyExceptInRange((byte)0, (byte)0x7F);
            if (isAscii ? !TryCopy(label, into, ref written) : !TryDecode(label, runes, out int count) || !IsLabel(runes[..count], ref isBidi) || !TryEncode(runes[..count], into, ref written))
            {
                return false;
            }
            if (dot < 0)
            {
                // RFC 5893 2: one label that runs from right to left puts all of them under the rule.
                return !isBidi || AsciiLabelsObeyBidi(domain);
            }
            if (written >= into.Length)
            {
                return false;
            }
            into[written++] = (byte)'.';
            rest = rest[(dot + 1)..];
        }
    }

    private static bool TryCopy(ReadOnlySpan<byte> label, Span<byte> into, ref int written)
    {
        if (!label.TryCopyTo(into[written..]))
        {
            return false;
        }
        written += label.Length;
        return true;
    }

    private static bool TryDecode(ReadOnlySpan<byte> label, Span<int> runes, out int count)
    {
        count = 0;
        while (!label.IsEmpty)
        {
            if (count == runes.Length || Rune.DecodeFromUtf8(label, out Rune rune, out int used) != OperationStatus.Done)
            {
                return false;
            }
            runes[count++] = rune.Value < FirstNonAscii ? AsciiWord.Lower((byte)rune.Value) : rune.Value;
            label = label[used..];
        }
        return count > 0;
    }

    private static bool IsLabel(ReadOnlySpan<int> runes, ref bool isBidi)
    {
        if (runes[0] == '-' || runes[^1] == '-' || (runes.Length > 3 && runes[2] == '-' && runes[3] == '-') || In(IdnaTables.Marks, runes[0]))
        {
            return false;
        }
        bool rightToLeft = false;
        foreach (int rune in runes)
        {
            if (rune < FirstNonAscii ? !IsLdh(rune) : !In(IdnaTables.Valid, rune))
            {
                return false;
            }
            rightToLeft |= In(IdnaTables.RightToLeft, rune);
        }
        isBidi |= rightToLeft;
        return !rightToLeft || ObeysBidi(runes);
    }

    // RFC 5893 2, rules 1 to 3, for what the tables let through: no Arabic numbers are in them.
    private static bool ObeysBidi(ReadOnlySpan<int> runes)
    {
        bool endsWell = false;
        foreach (int rune in runes)
        {
            bool digit = rune is >= '0' and <= '9';
            bool rightToLeft = In(IdnaTables.RightToLeft, rune);
            bool mark = In(IdnaTables.Nonspacing, rune);
            if (!digit && !rightToLeft && !mark && rune != '-')
            {
                return false;
            }
            endsWell = mark ? endsWell : digit || rightToLeft;
        }
        return endsWell && In(IdnaTables.RightToLeft, runes[0]);
    }

    private static bool AsciiLabelsObeyBidi(ReadOnlySpan<byte> domain)
    {
        foreach (Range range in domain.Split((byte)'.'))
        {
            byte first = domain[range][0];
            if (first < FirstNonAscii && !char.IsAsciiLetter((char)first))
            {
                return false;
            }
        }
        return true;
    }

    private static bool IsLdh(int rune) => rune is (>= 'a' and <= 'z') or (>= '0' and <= '9') or '-';

    private static bool In(ReadOnlySpan<int> pairs, int rune)
    {
        int low = 0;
        int high = (pairs.Length / 2) - 1;
        while (low <= high)
        {
            int middle = (low + high) / 2;
            if (rune < pairs[middle * 2])
            {
                high = middle - 1;
            }
            else if (rune > pairs[(middle * 2) + 1])
            {
                low = middle + 1;
            }
            else
            {
                return true;
            }
        }
        return false;
    }

    // Punycode, RFC 3492 6.3, behind the prefix of A-labels.
    private static bool TryEncode(ReadOnlySpan<int> runes, Span<byte> into, ref int written)
    {
        int start = written;
        if (!TryCopy("xn--"u8, into, ref written))
        {
            return false;
        }
        int basic = 0;
        foreach (int rune in runes)
        {
            if (rune < FirstNonAscii)
            {
                if (written >= into.Length)
                {
                    return false;
                }
                into[written++] = (byte)rune;
                basic++;
            }
        }
        if (basic > 0 && !TryCopy("-"u8, into, ref written))
        {
            return false;
        }
        int n = FirstNonAscii;
        int delta = 0;
        int bias = 72;
        for (int handled = basic; handled < runes.Length; n++, delta++)
        {
            int next = int.MaxValue;
            foreach (int rune in runes)
            {
                next = rune >= n && rune < next ? rune : next;
            }
            delta += (next - n) * (handled + 1);
            n = next;
            foreach (int rune in runes)
            {
                delta += rune < n ? 1 : 0;
                if (rune == n)
                {
                    if (!TryWriteNumber(delta, bias, into, ref written))
                    {
                        return false;
                    }
                    bias = Adapt(delta, handled + 1, handled == basic);
                    delta = 0;
                    handled++;
                }
            }
        }
        return written - start <= DomainName.LabelLengthMax;
    }

    private static bool TryWriteNumber(int number, int bias, Span<byte> into, ref int written)
    {
        for (int k = 36; ; k += 36)
        {
            int threshold = k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias;
            bool last = number < threshold;
            int digit = last ? number : threshold + ((number - threshold) % (36 - threshold));
            if (written >= into.Length)
            {
                return false;
            }
            into[written++] = (byte)(digit < 26 ? 'a' + digit : '0' + digit - 26);
            if (last)
            {
                return true;
            }
            number = (number - threshold) / (36 - threshold);
        }
    }

    private static int Adapt(int delta, int handled, bool first)
    {
        delta = first ? delta / 700 : delta / 2;
        delta += delta / handled;
        int k = 0;
        while (delta > 35 * 26 / 2)
        {
            delta /= 35;
            k += 36;
        }
        return k + (36 * delta / (delta + 38));
    }
}
