namespace FastRelay.Smtp;

/// <summary>Turns stored form (see <see cref="DotDecoder"/>) back into content: takes the first dot off each line that begins with one.</summary>
public struct DotUnstuffer
{
    private bool _midLine;

    /// <summary>Decodes all input. The output is never longer than the input.</summary>
    /// <param name="input">Stored form; may be cut anywhere.</param>
    /// <param name="output">At least as long as <paramref name="input"/>.</param>
    /// <returns>Octets written.</returns>
    /// <exception cref="ArgumentException"><paramref name="output"/> is too short.</exception>
    public int Decode(ReadOnlySpan<byte> input, Span<byte> output)
    {
        if (output.Length < input.Length)
        {
            throw new ArgumentException("Shorter than the input.", nameof(output));
        }

        var written = 0;
        while (!input.IsEmpty)
        {
            if (!_midLine && input[0] == '.')
            {
                input = input[1..];
                _midLine = true;
                continue;
            }

            // In stored form every LF ends a line.
            var end = input.IndexOf((byte)'\n');
            var length = end < 0 ? input.Length : end + 1;
            input[..length].CopyTo(output[written..]);
            written += length;
            input = input[length..];
            _midLine = end < 0;
        }

        return written;
    }
}
