using System.Text;
using FastRelay.Smtp;
using MimeKit;
using Xunit;

namespace FastRelay.Tests.Smtp.Mime;

/// <summary>Converts a message cut in pieces, checks what any output must be, and reads parts by a MIME library.</summary>
internal static class SevenBitRig
{
    public static byte[] Octets(string text) => Encoding.Latin1.GetBytes(text);

    /// <summary>The verdict on a message.</summary>
    public static SevenBitVerdict Survey(SevenBitConverter converter, byte[] stored, Random? random = null)
    {
        converter.StartSurvey();
        for (int at = 0; at < stored.Length;)
        {
            int length = Math.Min(stored.Length - at, random?.Next(1, random.Next(2, 3000)) ?? stored.Length);
            converter.Survey(stored.AsSpan(at, length));
            at += length;
        }
        return converter.EndSurvey();
    }

    /// <summary>The message in 7 bits, without stuffed dots.</summary>
    public static byte[] Convert(byte[] content, Random? random = null)
    {
        byte[] stored = Stored(content);
        var converter = new SevenBitConverter();
        SevenBitVerdict verdict = Survey(converter, stored, random);
        Assert.True(verdict == SevenBitVerdict.Convertible, $"{verdict}: {Encoding.Latin1.GetString(content)}");
        var all = new MemoryStream();
        converter.Start();
        byte[] output = new byte[SevenBitConverter.OutputMin * 2];
        for (int at = 0; at < stored.Length;)
        {
            int length = Math.Min(stored.Length - at, random?.Next(1, random.Next(2, 3000)) ?? stored.Length);
            converter.Convert(stored.AsSpan(at, length), output, out int consumed, out int written);
            Assert.True(consumed > 0);
            all.Write(output, 0, written);
            at += consumed;
        }
        converter.Finish(output, out int last);
        all.Write(output, 0, last);
        byte[] sent = all.ToArray();
        byte[] plain = new byte[sent.Length];
        int count = default(DotUnstuffer).Decode(sent, plain);
        Assert.Equal(sent.Length - converter.StuffedDots, count);
        AssertSendable(sent);
        return plain[..count];
    }

    public static byte[] Stored(byte[] content)
    {
        byte[] stored = new byte[(content.Length * 2) + 4];
        var encoder = default(DotEncoder);
        encoder.Encode(content, stored, out int consumed, out int written);
        Assert.Equal(content.Length, consumed);
        Assert.True(encoder.Finish(stored.AsSpan(written), out int last));
        return stored[..(written + last)];
    }

    /// <summary>The octets of each part, decoded by the library.</summary>
    public static List<byte[]> Parts(byte[] message)
    {
        var parts = new List<byte[]>();
        Walk(MimeMessage.Load(new MemoryStream(message)).Body, parts);
        return parts;
    }

    public static void AssertSameParts(byte[] before, byte[] after)
    {
        List<byte[]> expected = Parts(before);
        List<byte[]> found = Parts(after);
        bool same = expected.Count == found.Count && expected.Zip(found).All(pair => pair.First.AsSpan().SequenceEqual(pair.Second));
        Assert.True(same, $"--- {expected.Count} parts\n{Encoding.Latin1.GetString(before)}\n--- {found.Count} parts\n{Encoding.Latin1.GetString(after)}");
    }

    private static void Walk(MimeEntity? entity, List<byte[]> parts)
    {
        switch (entity)
        {
            case Multipart multipart:
                foreach (MimeEntity child in multipart)
                {
                    Walk(child, parts);
                }
                break;
            case MessagePart { Message: { } inner }:
                Walk(inner.Body, parts);
                break;
            case MimePart part:
                var content = new MemoryStream();
                part.Content?.DecodeTo(content);
                parts.Add(content.ToArray());
                break;
        }
    }

    private static void AssertSendable(byte[] stored)
    {
        Assert.True(stored.Length == 0 || stored.AsSpan().EndsWith("\r\n"u8));
        Assert.DoesNotContain(stored, octet => octet > 127);
        for (int at = 0; at < stored.Length;)
        {
            int end = stored.AsSpan(at).IndexOf((byte)'\n') + at;
            ReadOnlySpan<byte> line = stored.AsSpan(at, end + 1 - at);
            Assert.True(line.Length >= 2 && line[^2] == '\r' && line.IndexOf((byte)'\r') == line.Length - 2, "a bare CR or LF");
            Assert.False(line.SequenceEqual(".\r\n"u8), "a line that ends the message");
            Assert.True(line[0] != '.' || line[1] == '.', "a dot that is not stuffed");
            at = end + 1;
        }
    }
}
