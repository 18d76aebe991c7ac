using System.Net;
using System.Net.Sockets;
using FastRelay.Outside;

namespace FastRelay.Routing;

/// <summary>
/// The memory that one cached answer keeps, octets: the objects of a 64-bit runtime added up. A test holds it against the heap.
/// </summary>
internal static class DnsWeight
{
    /// <summary>The entry itself, the answer and its place in the dictionary, which has up to twice the places that it needs.</summary>
    private const int EntryBytes = 232;

    /// <summary>A string without its characters, an array without its items.</summary>
    private const int StringBytes = 24;

    /// <summary>Preference and reference of an MX record.</summary>
    private const int RecordBytes = 16;

    /// <summary>An IPv4 address and the reference to it.</summary>
    private const int Ipv4Bytes = 48;

    /// <summary>The same for IPv6, whose octets are an array of their own.</summary>
    private const int Ipv6Bytes = 88;

    /// <summary>Adds up.</summary>
    /// <param name="name">The question's.</param>
    /// <param name="answer">Null while there is none.</param>
    public static int Of(string name, DnsAnswer? answer)
    {
        int bytes = EntryBytes + StringOf(name);
        if (answer is null)
        {
            return bytes;
        }
        foreach (MxRecord record in answer.Mx)
        {
            bytes += RecordBytes + StringOf(record.Host);
        }
        foreach (IPAddress address in answer.Addresses)
        {
            bytes += address.AddressFamily == AddressFamily.InterNetwork ? Ipv4Bytes : Ipv6Bytes;
        }
        return bytes;
    }

    private static int StringOf(string text) => StringBytes + ((2 * text.Length + 7) & ~7);
}
