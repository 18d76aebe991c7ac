using System.Buffers.Binary;

namespace FastRelay.Tests.Deliver.Rig;

/// <summary>
/// What a TLS server says below it, watched as it goes by: the first record is ServerHello in clear, and in TLS 1.3 it
/// names the pre-shared key that it took exactly when it resumes a session (RFC 8446 4.1.3, 4.2.11).
/// </summary>
internal sealed class HelloWatch(Stream below) : Stream
{
    private readonly byte[] _said = new byte[512];
    private int _length;

    /// <summary>The server resumed a session of TLS 1.3.</summary>
    public bool IsResumed => ReadsPreSharedKey(_said.AsSpan(0, _length));

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override void Flush() => below.Flush();

    public override int Read(byte[] buffer, int offset, int count) => below.Read(buffer, offset, count);

    public override int Read(Span<byte> buffer) => below.Read(buffer);

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        int kept = Math.Min(buffer.Length, _said.Length - _length);
        buffer[..kept].CopyTo(_said.AsSpan(_length));
        _length += kept;
        below.Write(buffer);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            below.Dispose();
        }
        base.Dispose(disposing);
    }

    // Record header 5, handshake header 4, version 2, random 32, session id 1 + n, cipher 2, compression 1, extensions.
    private static bool ReadsPreSharedKey(ReadOnlySpan<byte> said)
    {
        const int PreSharedKey = 41;
        if (said.Length < 44 || said[0] != 22 || said[5] != 2)
        {
            throw new InvalidDataException("no ServerHello");
        }
        ReadOnlySpan<byte> rest = said[(5 + 4 + 2 + 32)..];
        rest = rest[(1 + rest[0] + 3)..];
        int length = BinaryPrimitives.ReadUInt16BigEndian(rest);
        rest = rest.Slice(2, length);
        while (rest.Length >= 4)
        {
            if (BinaryPrimitives.ReadUInt16BigEndian(rest) == PreSharedKey)
            {
                return true;
            }
            rest = rest[(4 + BinaryPrimitives.ReadUInt16BigEndian(rest[2..]))..];
        }
        return false;
    }
}
