using System.Text;

namespace FastRelay.Config;

/// <summary>What may be a tenant's name. Upper and lower case differ.</summary>
public static class TenantName
{
    /// <summary>True for 1 to <see cref="Limits.TenantBytes"/> letters, digits and <c>. _ - @ +</c>, with which users' names that are addresses are tenants too.</summary>
    public static bool IsValid(ReadOnlySpan<byte> name)
    {
        if (name.Length is 0 or > Limits.TenantBytes)
        {
            return false;
        }
        foreach (byte octet in name)
        {
            if (!char.IsAsciiLetterOrDigit((char)octet) && ".-_@+"u8.IndexOf(octet) < 0)
            {
                return false;
            }
        }
        return true;
    }

    /// <summary>The same for text.</summary>
    public static bool IsValid(string name)
    {
        Span<byte> octets = stackalloc byte[Limits.TenantBytes];
        return name.Length <= Limits.TenantBytes && Ascii.FromUtf16(name, octets, out int written) == System.Buffers.OperationStatus.Done && IsValid(octets[..written]);
    }
}
