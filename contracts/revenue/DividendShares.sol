// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ERC20} from "solady/tokens/ERC20.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {LibBit} from "solady/utils/LibBit.sol";
import {IRevenueSplitter} from "interfaces/IRevenueSplitter.sol";

/// @title Shares of a fixed supply that carry their dividends with them, to the last fraction
/// @dev What a holder is due is counted in parts, `SUPPLY` of them to a base unit, so that nothing
/// is ever rounded but a payment. With I the base units ever due to all shares together (the
/// index), b shares that came at index I₀ are due b · (I − I₀) parts.
///
/// A holder's shares and its dues in the stablecoin are one word wherever they fit. With w the bits
/// that the supply takes, from the lowest on:
///
/// | bits | field |
/// |--:|---|
/// | w | shares |
/// | w | rest: parts due beyond shares × (index − since) |
/// | 1 | wide: rest and since are not here; the parts due are shares × index + `_corrections[0]` |
/// | 255 − 2w | since, signed: the index from which on the shares are due |
///
/// Parts due P of b shares at index I are written as rest = P mod b and since = I − ⌊P / b⌋ (of no
/// shares as rest = P): exactly. The word is wide only if one of them does not fit: since takes 75
/// bits of a supply of 10^27, 95 of 10^24, rest w bits. That is a stablecoin of 18 decimals and a
/// great supply, or somebody who sold all or nearly all shares and has not claimed. A wide word
/// costs a claim one more.
///
/// Bounds. The supply is at most 10^27 < 2^90, the index below 2^128 + 2^110 (the lease engine's
/// 128 bits and what came by plain transfer). Payments never exceed what was due, so a holder's
/// parts due lie in 0 … supply × index, and a correction, parts due − shares × index, within
/// ± 2^219. Everything below may therefore be unchecked.
abstract contract DividendShares is IRevenueSplitter, ERC20 {
    using FixedPointMathLib for uint256;

    /// @dev All shares there ever are.
    uint256 internal immutable SUPPLY;
    uint256 internal immutable WIDTH;
    uint256 internal immutable SINCE_AT;
    uint256 internal immutable MASK;
    uint256 internal immutable WIDE;

    mapping(address holder => uint256) internal _accounts;
    /// @dev When somebody last came to hold all shares by a transfer; 0 for the first holder.
    uint256 internal _soleSince;
    /// @dev Parts due − shares × index, by token: the stablecoin's (0) only while the holder's word
    /// is wide, the others' always.
    mapping(uint256 token => mapping(address holder => int256)) internal _corrections;

    /// @param supply 1 … 10^27; the factory answers for it.
    constructor(uint256 supply) {
        SUPPLY = supply;
        WIDTH = LibBit.fls(supply) + 1;
        SINCE_AT = 2 * WIDTH + 1;
        MASK = (1 << WIDTH) - 1;
        WIDE = 1 << (2 * WIDTH);
    }

    // ------------------------------------------------------------------ ERC-20

    /// @inheritdoc ERC20
    function totalSupply() public view override returns (uint256) {
        return SUPPLY;
    }

    /// @inheritdoc ERC20
    function balanceOf(address holder) public view override returns (uint256) {
        return _accounts[holder] & MASK;
    }

    /// @inheritdoc ERC20
    function transfer(address to, uint256 amount) public override returns (bool) {
        _move(msg.sender, to, amount);
        return true;
    }

    /// @inheritdoc ERC20
    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        _spendAllowance(from, msg.sender, amount);
        _move(from, to, amount);
        return true;
    }

    /// @dev Nobody may move a holder's shares without its own approval, Permit2 neither.
    function _givePermit2InfiniteAllowance() internal pure override returns (bool) {
        return false;
    }

    /// @dev All shares to one holder, and with them all revenue from before.
    function _mintAll(address holder) internal {
        _accounts[holder] = SUPPLY; // since and rest 0
        emit Transfer(address(0), holder, SUPPLY);
    }

    /// @dev Shares take with them no dividend from before: both keep what they were due. No token
    /// is called but for balances, which hold up nothing.
    function _move(address from, address to, uint256 amount) internal {
        // Check
        _requireReceiver(to);
        uint256 account = _accounts[from];
        uint256 shares = account & MASK;
        require(amount <= shares, InsufficientBalance());

        // Effect
        if (amount != 0 && from != to) {
            (uint256 index, uint256 extraTokens) = _accrue();
            unchecked {
                _write(from, shares - amount, _partsDue(from, account, index), index);
                account = _accounts[to];
                shares = (account & MASK) + amount;
                if (shares == SUPPLY) _soleSince = block.timestamp;
                _write(to, shares, _partsDue(to, account, index), index);
                for (uint256 token = 1; token <= extraTokens; ++token) {
                    int256 earlier = int256(amount * _tokenIndex(token));
                    _corrections[token][from] += earlier;
                    _corrections[token][to] -= earlier;
                }
            }
        }
        emit Transfer(from, to, amount);
    }

    // ------------------------------------------------------------------ accounts

    /// @param account The holder's word.
    /// @param index The stablecoin's index now: never below an earlier one.
    function _partsDue(
        address holder,
        uint256 account,
        uint256 index
    ) internal view returns (uint256 parts) {
        unchecked {
            uint256 shares = account & MASK;
            if (account & WIDE != 0) {
                return uint256(int256(shares * index) + _corrections[0][holder]);
            }
            uint256 since = uint256(int256(account) >> SINCE_AT);
            return shares * (index - since) + ((account >> WIDTH) & MASK);
        }
    }

    /// @param shares What the holder has from now on.
    /// @param parts What it is due in the stablecoin.
    function _write(address holder, uint256 shares, uint256 parts, uint256 index) internal {
        unchecked {
            uint256 back = parts.rawDiv(shares); // 0 without shares
            uint256 rest = parts - back * shares;
            int256 since = int256(index - back);
            if ((since << SINCE_AT) >> SINCE_AT == since && rest <= MASK) {
                _accounts[holder] = shares | (rest << WIDTH) | uint256(since << SINCE_AT);
            } else {
                _accounts[holder] = shares | WIDE;
                _corrections[0][holder] = int256(parts) - int256(shares * index);
            }
        }
    }

    // ------------------------------------------------------------------ what is due to all shares

    /// @dev Counts all that has come in, so that nobody who has shares for a moment gets any of it.
    /// @return index The stablecoin's index.
    /// @return extraTokens How many dividend tokens there are besides.
    function _accrue() internal virtual returns (uint256 index, uint256 extraTokens);

    /// @dev The index of the dividend token at this place, from 1 on.
    function _tokenIndex(uint256 token) internal view virtual returns (uint256 index);

    function _requireReceiver(address receiver) internal view {
        require(receiver != address(0) && receiver != address(this), BadReceiver(receiver));
    }
}
