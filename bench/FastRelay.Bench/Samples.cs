using System.Text;
using FastRelay.Journal;

namespace FastRelay.Bench;

/// <summary>Messages and envelopes that benchmarks share.</summary>
internal static class Samples
{
    /// <summary>Ten header lines, an empty line, and lines of 76 octets: a message as it is stored.</summary>
    public static byte[] Content(int length)
    {
        var text = new StringBuilder();
        for (int i = 0; i < 10; i++)
        {
            text.Append("X-Header-").Append(i).Append(": ").Append('v', 40).Append("\r\n");
        }
        text.Append("\r\n");
        while (text.Length < length - 78)
        {
            text.Append('x', 76).Append("\r\n");
        }
        text.Append('y', Math.Max(0, length - text.Length - 2)).Append("\r\n");
        return Encoding.ASCII.GetBytes(text.ToString());
    }

    /// <summary>An envelope with one recipient.</summary>
    public static EnvelopeBuilder Envelope(string recipient)
    {
        var envelope = new EnvelopeBuilder();
        envelope.Start("sender@example.org"u8, EnvelopeFlags.None, "192.0.2.1:4711"u8, "client.example"u8);
        Check.That(envelope.TryAddRecipient(Encoding.ASCII.GetBytes(recipient)));
        return envelope;
    }
}
